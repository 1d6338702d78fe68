--- CEL's `matches` takes RE2's syntax (https://github.com/google/re2/wiki/Syntax). PCRE2 runs it, which knows more and
-- takes some of it otherwise: here a pattern is translated, or what RE2 has not is an error.
--
-- re2(pattern) -> the pattern for PCRE2, and its flags; or nil, what is wrong with it and where.

local concat, tonumber = table.concat, tonumber

-- ASCII classes, `$` at the very end only: see regex.c.
local FLAGS = "aD"

local MAX_REPEAT = 1000

-- What stands after a backslash in both, and means the same.
local same = {}
for char in ("aftnrxdDwWbBAzQEpP0"):gmatch(".") do same[char] = true end

local translated = { v = "\\x0b", s = "[\\t\\n\\f\\r ]", S = "[^\\t\\n\\f\\r ]" }
local in_class = { v = "\\x0b", s = "\\t\\n\\f\\r " }

local no_such = { K = "\\K", G = "\\G", R = "\\R", X = "\\X", Z = "\\Z (write \\z)", h = "\\h", H = "\\H", N = "\\N",
    C = "\\C", k = "back-references", g = "back-references", c = "\\c", e = "\\e", u = "\\u", U = "\\U", L = "\\L",
    l = "\\l", o = "\\o", V = "\\V", y = "\\y" }

local function escape(pattern, at, class)
    local char = pattern:sub(at + 1, at + 1)
    if char == "" then return nil, "a backslash at the end" end
    if char:find("[1-9]") then return nil, "RE2 has no back-references" end
    if class and char == "S" then return nil, "\\S inside of a class cannot be translated: write the class out" end
    local other = (class and in_class or translated)[char]
    if other then return other, at + 2 end
    if no_such[char] then return nil, "RE2 has no " .. no_such[char] end
    if char:find("^%a$") and not same[char] then return nil, "unknown escape \\" .. char end
    return pattern:sub(at, at + 1), at + 2
end

-- "(?" and what comes up to the group's own pattern.
local function group(pattern, at)
    local rest = pattern:sub(at + 2, at + 12)
    if rest:find("^[=!]") then return nil, "RE2 has no look-ahead" end
    if rest:find("^<[=!]") then return nil, "RE2 has no look-behind" end
    if rest:find("^P?<[%a_]") then return pattern:sub(at, at + 1), at + 2 end
    local flags = rest:match("^([%a%-]*)[:)]")
    if not flags or flags:find("[^imsU%-]") then
        return nil, "RE2 has no group (?" .. rest:sub(1, 1) .. "; flags are i, m, s and U"
    end
    return "(?", at + 2
end

local function class_end(pattern, at)
    local pieces = { "[" }
    at = at + 1
    if pattern:sub(at, at) == "^" then pieces[2], at = "^", at + 1 end
    if pattern:sub(at, at) == "]" then pieces[#pieces + 1], at = "\\]", at + 1 end
    while at <= #pattern do
        local char = pattern:sub(at, at)
        local named = pattern:match("^%[:%^?%a+:%]", at)
        if char == "]" then
            pieces[#pieces + 1] = "]"
            return concat(pieces), at + 1
        elseif named then
            pieces[#pieces + 1], at = named, at + #named
        elseif char == "\\" then
            local piece, after = escape(pattern, at, true)
            if not piece then return nil, after end
            pieces[#pieces + 1], at = piece, after
        else
            pieces[#pieces + 1], at = char == "[" and "\\[" or char, at + 1
        end
    end
    return nil, "a class that is not closed"
end

-- A quantifier at `at`, or ""; PCRE2's possessive ones are none of RE2's.
local function quantifier(pattern, at)
    local found = pattern:match("^[*+?]", at) or pattern:match("^{%d+,?%d*}", at) or ""
    if found == "" then return "", at end
    for number in found:gmatch("%d+") do
        if tonumber(number) > MAX_REPEAT then return nil, "RE2 repeats up to 1000 times" end
    end
    at = at + #found
    local lazy = pattern:sub(at, at) == "?"
    if lazy then found, at = found .. "?", at + 1 end
    if pattern:find("^[*+?]", at) or pattern:find("^{%d+,?%d*}", at) then
        return nil, pattern:sub(at, at) == "+" and "RE2 has no possessive quantifiers" or "two quantifiers in a row"
    end
    return found, at
end

return function(pattern)
    local pieces, at = {}, 1
    while at <= #pattern do
        local start, piece, after = at, pattern:sub(at, at), at + 1
        if piece == "\\" then
            if pattern:sub(at + 1, at + 1) == "Q" then -- quoted, to \E or the end
                local stop = pattern:find("\\E", at, true) or #pattern + 1
                piece, after = pattern:sub(at, stop + 1), stop + 2
            else
                piece, after = escape(pattern, at, false)
            end
        elseif piece == "[" then
            piece, after = class_end(pattern, at)
        elseif piece == "(" and pattern:sub(at + 1, at + 1) == "?" then
            piece, after = group(pattern, at)
        elseif piece == "(" and pattern:sub(at + 1, at + 1) == "*" then
            piece, after = nil, "RE2 has no verbs (*...)"
        end
        if not piece then return nil, after, start end
        pieces[#pieces + 1] = piece
        local repeats
        repeats, after = quantifier(pattern, after)
        if not repeats then return nil, after, start end
        pieces[#pieces + 1] = repeats
        at = after
    end
    return concat(pieces), FLAGS
end
