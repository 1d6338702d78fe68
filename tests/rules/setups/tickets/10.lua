-- Tickets by mail: the ticket's number after "+", no answers of programs, each message once.
local store = require "mxhook.store"
return function(msg)
    if msg.automatic and msg.automatic ~= "list" then return route.discard() end
    if msg.message_id and not store.once("ticket " .. msg.message_id, 86400) then return route.discard() end
    msg.headers["X-Reply"] = msg.reply_text and route.encode_base64(msg.reply_text)
    local ticket = msg.envelope.localpart == "ticket" and msg.envelope.tag
    return "https://desk.example/tickets/" .. (ticket and route.encode(ticket) or "new")
end
