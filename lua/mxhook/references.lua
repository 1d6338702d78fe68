--- Finds the environment variables that a rule file's destinations take secrets and headers from: references(text) -> a list of
-- { line =, name = }, of secret = "env:NAME" and of { env = "NAME" }, as server/config/destination_read.c reads them.

local places = require "mxhook.places"

local sub = string.sub

return function(text)
    local found = {}
    for at, line in places(text) do
        local name = text:match("^[\"']env:([%w_]+)[\"']", at)
            or not sub(text, at - 1, at - 1):find("[%w_.]") and text:match("^env%s*=%s*[\"']([%w_]+)[\"']", at)
        if name then found[#found + 1] = { line = line, name = name } end
    end
    return found
end
