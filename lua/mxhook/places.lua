--- Walks through the text of a rule file: for at, line in places(text), each character of it, and of a string or comment
-- the place where it begins.

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
    local at, line, after = 1, 1, 1
    return function()
        for _ in sub(text, at, after - 1):gmatch("\n") do line = line + 1 end
        at = after
        if at > #text then return nil end
        after = skip(text, at) or at + 1
        return at, line
    end
end
