--- Finds a key that stands twice in one table of a rule file: Lua keeps the last, and the first never answers.
--
-- twice(text of a file) -> the key and the line of its second place; or nil. Only keys that are addresses or patterns,
-- written as ["..."] = or ['...'] =, in upper and lower case. Whoever writes keys otherwise means what he does.

local places = require "mxhook.places"

local sub = string.sub

return function(text)
    local tables = {}
    for at, line in places(text) do
        local char = sub(text, at, at)
        local quote, key = text:match("^%[%s*([\"'])([^\"'\n]*)%1%s*%]%s*=[^=]", at)
        local keys = tables[#tables]
        if quote and keys and (key:find("@") or key:find("^/")) then
            local name = key:lower()
            if keys[name] then return key, line end
            keys[name] = true
        end
        if char == "{" then
            tables[#tables + 1] = {}
        elseif char == "}" then
            tables[#tables] = nil
        end
    end
end
