--- Finds the environment variables that a rule file's destinations take secrets and headers from: references(text) -> a list of
-- { line =, name = }, of secret = "env:NAME" and of { env = "NAME" }, as server/config/destination_read.c reads them.

local skip = require "mxhook.skip"

local sub = string.sub

return function(text)
    local found, line, at = {}, 1, 1
    while at <= #text do
        local name = text:match("^[\"']env:([%w_]+)[\"']", at)
            or not sub(text, at - 1, at - 1):find("[%w_.]") and text:match("^env%s*=%s*[\"']([%w_]+)[\"']", at)
        if name then found[#found + 1] = { line = line, name = name } end
        local after = skip(text, at) or at + 1
        for _ in sub(text, at, after - 1):gmatch("\n") do line = line + 1 end
        at = after
    end
    return found
end
