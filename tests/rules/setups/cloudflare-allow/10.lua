-- A Cloudflare Email Worker: message.setReject() for all but an allow-list, message.forward() with a header.
local allowed = { ["boss@partner.example"] = true }
return function(msg)
    if not allowed[msg.envelope.sender:lower()] then return route.reject("Address not allowed") end
    msg.headers["X-Worker"] = "allow-list"
    return "inbox@home.example"
end
