--- CEL's `matches` takes RE2's syntax (https://github.com/google/re2/wiki/Syntax). PCRE2 runs it, which knows more and
-- takes some of it otherwise: here a pattern is translated, or what RE2 has not is an error.
--
-- re2(pattern) -> the pattern for PCRE2, and its flags; or nil, what is wrong with it and where.

local concat, max, remove, tonumber = table.concat, math.max, table.remove, tonumber

-- ASCII classes, `$` at the very end only, and with (?m) `^` after every line end: see regex.c.
local FLAGS = "aDc"

local MAX_REPEAT = 1000

local utf8_character = "^[\194-\244][\128-\191]*"

-- What stands after a backslash in both, and means the same; inside of a class there is less of it.
local same, same_in_class = {}, {}
for char in ("aftnrdDwWbBAz"):gmatch(".") do same[char] = true end
for char in ("aftnrdDwW"):gmatch(".") do same_in_class[char] = true end

local translated = { v = "\\x0b", s = "[\\t\\n\\f\\r ]", S = "[^\\t\\n\\f\\r ]" }
local in_class = { v = "\\x0b", s = "\\t\\n\\f\\r " }

local no_such = { K = "\\K", G = "\\G", R = "\\R", X = "\\X", Z = "\\Z (write \\z)", h = "\\h", H = "\\H", N = "\\N",
    k = "back-references", g = "back-references", c = "\\c", e = "\\e", u = "\\u", U = "\\U", L = "\\L",
    l = "\\l", o = "\\o", V = "\\V", y = "\\y", E = "\\E without \\Q" }

-- \p, \P: a general category or a script, in braces where its name has more than one letter.
local function property(pattern, at)
    local name = pattern:match("^{%^?([%a_]+)}", at + 2)
    local whole = name and pattern:match("^..{[^}]*}", at) or pattern:match("^..[CLMNPSZ]", at)
    if not whole then return nil, "after \\p or \\P the name of a class of Unicode is expected, as in \\pL or \\p{Greek}" end
    if name and (name:find("^X%l%l$") or name:lower() == "lc") then return nil, "RE2 has no class \\p{" .. name .. "}" end
    return whole, at + #whole
end

-- A character by its number: \x41, \x{1F600}, \012; \1 to \9 alone would be back-references.
local function by_number(pattern, at)
    if pattern:sub(at + 1, at + 1) == "x" then
        local digits = pattern:match("^%x%x", at + 2)
        local braced = not digits and pattern:match("^{(%x+)}", at + 2)
        if not digits and not braced then return nil, "after \\x two hexadecimal digits are expected, or {digits}" end
        if braced and tonumber(braced, 16) > 0x10FFFF then return nil, "there is no such character" end
        return ("\\x{%s}"):format(digits or braced), at + (digits and 4 or #braced + 4)
    end
    local octal = pattern:match("^0[0-7]?[0-7]?", at + 1) or pattern:match("^[1-7][0-7][0-7]?", at + 1)
    if not octal then return nil, "RE2 has no back-references" end
    return ("\\x{%x}"):format(tonumber(octal, 8)), at + 1 + #octal
end

local function escape(pattern, at, class)
    local char = pattern:sub(at + 1, at + 1)
    if char == "" then return nil, "a backslash at the end" end
    if char:find("[%dx]") then return by_number(pattern, at) end
    if char == "p" or char == "P" then return property(pattern, at) end
    if char == "C" then return nil, "\\C, a single byte, is not supported" end
    if class and char == "S" then return nil, "\\S inside of a class cannot be translated: write the class out" end
    local other = (class and in_class or translated)[char]
    if other then return other, at + 2 end
    if (class and same_in_class or same)[char] then return "\\" .. char, at + 2 end
    if no_such[char] then return nil, "RE2 has no " .. no_such[char] end
    if char:find("[%w_\128-\255]") then
        return nil, ("unknown escape \\%s%s"):format(pattern:match("^[%w_]", at + 1) or pattern:match(utf8_character, at + 1),
            class and " in a class" or "")
    end
    return "\\" .. char, at + 2
end

-- "(?" and what comes up to the group's own pattern.
local function group(pattern, at)
    local rest = pattern:sub(at + 2, at + 12)
    if rest:find("^[=!]") then return nil, "RE2 has no look-ahead" end
    if rest:find("^<[=!]") then return nil, "RE2 has no look-behind" end
    if rest:find("^P?<[%a_]") then return pattern:sub(at, at + 1), at + 2 end
    if rest:sub(1, 1) ~= ":" and not rest:find("^[imsU]+[:)]") and not rest:find("^[imsU]*%-[imsU]+[:)]") then
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

-- A quantifier at `at`, or "", and how often it repeats; PCRE2's possessive ones are none of RE2's.
local function quantifier(pattern, at)
    local found = pattern:match("^[*+?]", at) or pattern:match("^{%d+,?%d*}", at) or ""
    if found == "" then return "", at, 1 end
    local times = 1
    for number in found:gmatch("%d+") do
        times = max(times, tonumber(number))
        if times > MAX_REPEAT then return nil, "RE2 repeats up to 1000 times" end
    end
    at = at + #found
    local lazy = pattern:sub(at, at) == "?"
    if lazy then found, at = found .. "?", at + 1 end
    if pattern:find("^[*+?]", at) or pattern:find("^{%d+,?%d*}", at) then
        return nil, pattern:sub(at, at) == "+" and "RE2 has no possessive quantifiers" or "two quantifiers in a row"
    end
    return found, at, times
end

-- What is between \Q and \E, or the end.
local function quoted(pattern, at)
    local stop = pattern:find("\\E", at, true) or #pattern + 1
    return pattern:sub(at, stop + 1), stop + 2
end

-- The next part of the pattern, for PCRE2, and where it ends; or nil and what is wrong.
local function part(pattern, at)
    local two = pattern:sub(at, at + 1)
    local char = two:sub(1, 1)
    if two == "\\Q" then return quoted(pattern, at) end
    if char == "\\" then return escape(pattern, at, false) end
    if char == "[" then return class_end(pattern, at) end
    if two == "(?" then return group(pattern, at) end
    if two == "(*" then return nil, "RE2 has no verbs (*...)" end
    if char == "{" and not pattern:find("^{%d+,?%d*}", at) then return "\\{", at + 1 end -- as it stands; PCRE2 10.43 knows {,n}
    return char, at + 1
end

-- How often the innermost of what is repeated may come in all, by open group.
local function multiply(groups, piece, times)
    if piece == "(" or piece == "(?" then
        groups[#groups + 1] = 1
        return 1
    end
    local whole = times
    if piece == ")" and #groups > 1 then whole = times * remove(groups) end
    groups[#groups] = max(groups[#groups], whole)
    return whole
end

return function(pattern)
    local pieces, groups, at = {}, { 1 }, 1
    while at <= #pattern do
        local start = at
        local piece, after = part(pattern, at)
        if not piece then return nil, after, start end
        pieces[#pieces + 1] = piece
        local repeats, stop, times = quantifier(pattern, after)
        if not repeats then return nil, stop, start end
        if multiply(groups, piece, times) > MAX_REPEAT then
            return nil, "RE2 repeats up to 1000 times, groups within groups multiplied", start
        end
        pieces[#pieces + 1] = repeats
        at = stop
    end
    return concat(pieces), FLAGS
end
