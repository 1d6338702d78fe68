--- skip(text of a rule file, at) -> where the string or comment that begins at `at` ends; nil: none begins there.

local sub = string.sub

return function(text, at)
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
