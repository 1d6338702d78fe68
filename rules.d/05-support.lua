-- Support mail, marked before the aliases send it: support+acme@example.com gets X-Customer: acme.
-- A function that returns nothing has not decided: the next rule is asked.

return function(msg)
    msg.headers["X-Customer"] = nil -- one that the sender has set is not ours
    local to = msg.envelope -- its parts are in lower case: Support+ACME@example.com is the same
    if to.localpart == "support" and to.tag then
        msg.headers["X-Customer"] = to.tag
    end
end
