-- Postmark's inbound rules: senders and domains that are blocked.
local blocked = { ["spam@bad.example"] = true, ["worse.example"] = true }
return {
    function(msg)
        local sender = msg.envelope.sender:lower()
        if blocked[sender] or blocked[sender:match("@(.*)$") or ""] then return route.reject("Blocked") end
    end,
    alias { ["*@in.example"] = "https://app.example/inbound" },
}
