-- Support mail, marked before the aliases send it: support+acme@example.com gets X-Customer: acme.
-- A function that returns nothing has not decided: the next rule is asked.

return function(msg)
    msg.headers["X-Customer"] = nil -- one that the sender has set is not ours
    local customer = msg.envelope.recipient:match("^support%+(.+)@")
    if customer then
        msg.headers["X-Customer"] = customer
    end
end
