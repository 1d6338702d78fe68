--- Finds a key that stands twice in one table of a rule file: Lua keeps the last, and the first never answers.
--
-- twice(text of a file) -> the key and the line of its second place; or nil. Only keys that are addresses or patterns,
-- written as ["..."] = or ['...'] =, in upper and lower case. Whoever writes keys otherwise means what he does.

local sub = string.sub

-- Where the string or comment that begins at `at` ends; nil: none begins there.
local function skip(text, at)
    local level = text:match("^%-%-%[(=*)%[", at) or text:match("^%[(=*)%[", at)
    if level then
        local _, stop = text:find("]" .. level .. "]", at, true)
        return (stop or #text) + 1
    end
    if text:find("^%-%-", at) then return (text:find("\n", at, true) or #text) + 1 end
    local quote = text:match("^[\"']", at)
    if not quote then return nil end
    at = at + 1
    while at <= #text do
        local char = sub(text, at, at)
        if char == quote then return at + 1 end
        at = at + (char == "\\" and 2 or 1)
    end
    return at
end

return function(text)
    local tables, line, at = {}, 1, 1
    while at <= #text do
        local char = sub(text, at, at)
        local quote, key = text:match("^%[%s*([\"'])([^\"'\n]*)%1%s*%]%s*=[^=]", at)
        local keys = tables[#tables]
        if quote and keys and (key:find("@", 1, true) or sub(key, 1, 1) == "/") then
            local name = key:lower()
            if keys[name] then return key, line end
            keys[name] = true
        end
        if char == "{" then
            tables[#tables + 1] = {}
        elseif char == "}" then
            tables[#tables] = nil
        end
        local after = skip(text, at) or at + 1
        for _ in sub(text, at, after - 1):gmatch("\n") do line = line + 1 end
        at = after
    end
end
