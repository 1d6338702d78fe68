-- Support mail, marked before the aliases send it: support+acme@example.com gets X-Customer: acme.
-- A function that returns nothing has not decided: the next rule is asked.

return function(msg)
    local customer = msg.envelope.recipient:match("^support%+(.+)@")
    if customer then
        msg.headers["X-Customer"] = customer
    end
end
