-- SendGrid Inbound Parse: a URL for each host name; spam by SPF and DKIM told in headers.
return {
    function(msg)
        local dkim = msg.auth.dkim and msg.auth.dkim[1]
        msg.headers["X-SPF"] = msg.auth.spf and msg.auth.spf.result
        msg.headers["X-DKIM"] = dkim and dkim.result
    end,
    alias {
        ["*@parse.blue.example"] = "https://blue.example/parse",
        ["*@parse.red.example"] = "https://red.example/parse",
    },
}
