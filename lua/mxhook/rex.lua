--- rex: regular expressions for rules, by PCRE2.
--
-- The functions are those of lua-rex's common interface: match, find, gmatch, gsub, split, count, new.
-- They work on UTF-8 and are always bounded: a pattern that would take too long is no match, and the
-- log says so. Flags are letters: i (any case), m, s, x as in Perl, U (ungreedy), a (ASCII classes), D ($ at the very end only).

local compile = require "mxhook.core".regex.compile

local error, select, setmetatable, tonumber, tostring, type, unpack = error, select, setmetatable, tonumber, tostring,
    type, unpack
local concat, max = table.concat, math.max

local rex = {}

-- What rex.new() made, and its compiled pattern, which no rule gets hold of.
local code_of = setmetatable({}, { __mode = "k" })

local MAX_CACHED = 200
local cache, cached = {}, 0

local function compiled(pattern, flags)
    local made = code_of[pattern or 0]
    if made then return made end
    if type(pattern) ~= "string" then
        error("rex: a pattern was expected, not a " .. type(pattern), 3)
    end
    flags = flags or ""
    if type(flags) ~= "string" then error("rex: flags are letters in a string, not a " .. type(flags), 3) end
    local key = flags .. "/" .. pattern
    local found = cache[key]
    if not found then
        found = compile(pattern, flags)
        if cached >= MAX_CACHED then cache, cached = {}, 0 end
        cache[key] = found
        cached = cached + 1
    end
    return found
end

local function captures(first, last, ...)
    if not first then return nil end
    return ...
end

local function exec(code, subject, init)
    if type(subject) ~= "string" then
        error("rex: a string was expected to search in, not a " .. type(subject), 3)
    end
    return code:exec(subject, init)
end

local function match(code, subject, init)
    if code:groups() > 0 then return captures(exec(code, subject, init)) end
    local first, last = exec(code, subject, init)
    if first then return subject:sub(first, last) end
    return nil
end

--- The groups of the first match, or the whole of it where there are none; nil where nothing matches.
function rex.match(subject, pattern, init, flags)
    return match(compiled(pattern, flags), subject, init)
end

--- Where the first match begins and ends, then its groups.
function rex.find(subject, pattern, init, flags)
    return exec(compiled(pattern, flags), subject, init)
end

-- The end of the character that begins at `at`, so that an empty match goes on by a whole one.
local function after_character(subject, at)
    at = at + 1
    local byte = subject:byte(at)
    while byte and byte >= 0x80 and byte < 0xC0 do
        at = at + 1
        byte = subject:byte(at)
    end
    return at
end

-- Calls each(first, last, groups...) for every match; stops where that returns true.
local function each_match(code, subject, each)
    local at = 1
    while at <= #subject + 1 do
        local found = { exec(code, subject, at) }
        if not found[1] then return end
        if each(unpack(found, 1, code:groups() + 2)) then return end
        at = found[2] >= found[1] and found[2] + 1 or after_character(subject, found[1])
    end
end

--- An iterator over every match, as rex.match gives it.
function rex.gmatch(subject, pattern, flags)
    local code, at = compiled(pattern, flags), 1
    return function()
        if at > #subject + 1 then return nil end
        local first, last = exec(code, subject, at)
        if not first then
            at = #subject + 2
            return nil
        end
        local from = at
        at = last >= first and last + 1 or after_character(subject, first)
        return match(code, subject, from)
    end
end

local function expand(template, whole, groups)
    return (template:gsub("%%(.)", function(digit)
        if digit == "0" then return whole end
        if digit:match("%d") then return groups[tonumber(digit)] or "" end
        return digit
    end))
end

--- The subject with matches replaced by a string (%0 the match, %1 a group), by what a table holds or a
-- function returns for them; and how many there were. `limit` nil: all.
function rex.gsub(subject, pattern, replacement, limit, flags)
    local code = compiled(pattern, flags)
    local pieces, at, count = {}, 1, 0
    local function add(first, last, ...)
        if limit and count >= limit then return true end
        count = count + 1
        local whole = subject:sub(first, last)
        local groups = code:groups() > 0 and { ... } or { whole }
        local with = replacement
        if type(with) == "function" then
            with = with(unpack(groups, 1, max(code:groups(), 1)))
        elseif type(with) == "table" then
            with = with[groups[1]]
        else
            with = expand(tostring(with), whole, groups)
        end
        pieces[#pieces + 1] = subject:sub(at, first - 1)
        pieces[#pieces + 1] = with and tostring(with) or whole
        at = last + 1
    end
    each_match(code, subject, add)
    pieces[#pieces + 1] = subject:sub(at)
    return concat(pieces), count
end

--- An iterator over what stands between matches, then the match's groups.
function rex.split(subject, separator, flags)
    local code, at, done = compiled(separator, flags), 1, false
    return function()
        if done then return nil end
        local first, last = exec(code, subject, at)
        while first and last < first and first <= #subject do -- an empty match separates nothing
            first, last = exec(code, subject, after_character(subject, first))
        end
        if not first or last < first then
            done = true
            return subject:sub(at)
        end
        local piece = subject:sub(at, first - 1)
        at = last + 1
        return piece, subject:sub(first, last)
    end
end

--- How many times the pattern matches.
function rex.count(subject, pattern, flags)
    local count = 0
    each_match(compiled(pattern, flags), subject, function() count = count + 1 end)
    return count
end

local methods = {}
function methods:match(subject, init) return match(compiled(self), subject, init) end
function methods:find(subject, init) return exec(compiled(self), subject, init) end
function methods:gmatch(subject) return rex.gmatch(subject, self) end
function methods:gsub(subject, replacement, limit) return rex.gsub(subject, self, replacement, limit) end
function methods:count(subject) return rex.count(subject, self) end

-- A function, not the table: that is shared by all files, and `regex.__index` would hand it out.
local object = { __index = function(_, name) return methods[name] end, __metatable = "regex" }

--- The pattern compiled once: an object with :match, :find, :gmatch, :gsub, :count.
function rex.new(pattern, flags)
    local made = setmetatable({}, object)
    code_of[made] = compiled(pattern, flags)
    return made
end

return rex
