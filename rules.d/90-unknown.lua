-- The last rule answers for whoever is left. Without it they would be refused as unknown, and at once
-- where all rules are aliases.

return function(msg)
    return route.reject("No such person here: " .. msg.envelope.recipient)
end
