-- Bounces of a newsletter to one hook, with what they say; office hours for the rest.
return {
    function(msg)
        if msg.automatic ~= "bounce" then return nil end
        local bounce = msg.bounce
        msg.headers["X-Bounced"] = bounce and bounce.recipient
        msg.headers["X-Status"] = bounce and bounce.status
        return "https://list.example/bounces"
    end,
    route.cel { when = "now.getHours('Europe/Berlin') >= 8 && now.getHours('Europe/Berlin') < 18", to = "https://day.example/" },
    function() return "https://night.example/" end,
}
