-- Each recipient has a verdict of its own: what the dialogues of LMTP show.
return function(msg)
    local name = msg.envelope.recipient:match("^(%w+)@")
    if name == "rejected" then return route.reject("Not for me") end
    if name == "deferred" then return route.defer("Later") end
    if name ~= "nobody" then return route.discard() end
end
