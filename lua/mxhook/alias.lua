--- alias: destinations by recipient.
--
--   return alias {
--       ["sales@example.com"] = "https://crm.example/hook",                   -- exact; sales+x too
--       ["/^inv-(\\d+)@example\\.com$/"] = "https://books.example/in/$1",     -- regular expression
--       ["*@example.com"] = "https://all.example/a, https://all.example/b",   -- wildcard
--       ["noreply@example.com"] = "null",                                     -- dropped
--   }
--
-- The best match alone answers: exact, then exact without "+tag", then regular expressions (the
-- longest first), then wildcards (the one with most characters first). Upper and lower case are the same.

local core = require "mxhook.core"
local rule = require "mxhook.rule"

local ipairs, next, pairs, pcall, setmetatable, tonumber, type = ipairs, next, pairs, pcall, setmetatable, tonumber, type
local insert, sort, raw_metatable = table.insert, table.sort, debug.getmetatable

local regex = core.regex

local alias = {}

-- What a sender wrote must not change a destination's shape. In a URL it stays within its path segment
-- or value; in an address within the local part, where all but atoms and dots (RFC 5322 section 3.2.3)
-- is encoded the same way.
local NO_URL_TEXT, NO_LOCAL_PART = "[^%w%-._~]", "[^%w!#$%%&'*+/=?^_`{|}~.\128-\255-]"

local function percent_encode(text, characters)
    return (text:gsub(characters, function(char) return ("%%%02X"):format(char:byte()) end))
end

-- A pattern's $1 to $9 stand for groups, in any string of its destinations: group(digit) gives them.
local function substitute(value, group)
    if type(value) == "string" then
        return (value:gsub("[^,]+", function(destination)
            local encoded = destination:find("://", 1, true) and NO_URL_TEXT or NO_LOCAL_PART
            return (destination:gsub("%$(%d)", function(digit)
                return percent_encode(group(digit), encoded)
            end))
        end))
    end
    if type(value) ~= "table" then return value end
    local copy = {}
    for key, item in next, value do copy[key] = substitute(item, group) end
    return setmetatable(copy, raw_metatable(value)) -- an answer of route's stays one
end

-- The numbers that stand after a $ in the value's strings, as a set.
local function digits(value, into)
    into = into or {}
    if type(value) == "string" then
        for digit in value:gmatch("%$(%d)") do into[tonumber(digit)] = true end
    elseif type(value) == "table" then
        for _, item in next, value do digits(item, into) end
    end
    return into
end

local function compile(key, pattern, flags)
    local ok, code = pcall(regex.compile, pattern, flags)
    if not ok then rule.fail(key, ("alias key '%s': %s"):format(key, code)) end
    return code
end

-- Adds what the key is to `found`, by kind.
local add = {}

function add.regex(found, key, value)
    local pattern, flags = key:match("^/(.*)/(%a*)$")
    if not pattern then
        rule.fail(key, ("alias key '%s': a regular expression ends with '/'"):format(key))
    end
    local code, wanted = compile(key, pattern, flags .. "i"), digits(value)
    for digit in pairs(wanted) do
        if digit > code:groups() then
            rule.fail(key, ("alias key '%s': $%d in its destination, but the pattern has %d "
                .. "group(s)"):format(key, digit, code:groups()))
        end
    end
    insert(found.regexes,
        { text = pattern, code = code, value = value, groups = next(wanted) ~= nil })
end

function add.wildcard(found, key, value)
    local pattern = "^\\Q" .. core.fold_address(key):gsub("%*", "\\E.*\\Q") .. "\\E$"
    insert(found.wildcards, { text = key, code = compile(key, pattern, "is"), value = value })
end

function add.exact(found, key, value)
    local address = core.fold_address(key)
    if not address:find("^[^@%s]+@[^@%s]+$") then
        rule.fail(key, ("alias key '%s': an address was expected, as in \"%s@example.com\"; a "
            .. "wildcard, as in \"*@example.com\"; or \"/a regular expression/\""):format(key,
            key:match("^[^@%s]+") or "name"))
    end
    if found.exact[address] ~= nil then
        rule.fail(key, ("alias key '%s' stands twice, in upper and lower case"):format(key))
    end
    found.exact[address] = value
end

-- Longest first; of one length by text, so that every load and every worker sees one order.
local function by_length(a, b)
    if #a.text ~= #b.text then return #a.text > #b.text end
    return a.text < b.text
end

local function read(entries)
    local found = { exact = {}, regexes = {}, wildcards = {} }
    for key, value in next, entries do
        if type(key) ~= "string" then
            rule.fail(nil, ("alias: keys are addresses, not a %s: write [\"sales@example.com\"] = "
                .. "\"https://…\""):format(type(key)))
        end
        rule.check_answer(key, ("alias key '%s'"):format(key), substitute(value, function() return "1" end))
        local kind = key:sub(1, 1) == "/" and "regex" or key:find("*", 1, true) and "wildcard"
            or "exact"
        add[kind](found, key, value)
    end
    sort(found.regexes, by_length)
    sort(found.wildcards, by_length)
    return found
end

local function match_regex(regexes, address)
    for _, entry in ipairs(regexes) do
        local groups = { entry.code:exec(address) }
        if groups[1] then return entry, groups end
    end
end

-- Is a segment of a URL's path "." or ".."? "/tenants/$1/new" with ".." for $1 is "/new", and no encoding keeps
-- every server from taking it so.
local function has_dot_segment(value)
    if type(value) == "string" then
        for destination in value:gmatch("[^,]+") do
            local path = destination:match("://[^/?#]*([^?#]*)") or ""
            for segment in path:gmatch("[^/]+") do
                segment = segment:gsub("%%2[eE]", ".")
                if segment == "." or segment == ".." then return true end
            end
        end
    elseif type(value) == "table" then
        for _, item in next, value do
            if has_dot_segment(item) then return true end
        end
    end
    return false
end

-- Nil where a group would change the destination's shape after all: then the key does not serve the address.
local function expand(entry, groups)
    if not entry.groups then return entry.value end
    local value = substitute(entry.value, function(digit)
        return groups[tonumber(digit) + 2] or ""
    end)
    if has_dot_segment(value) then return nil end
    return value
end

local function find(found, recipient)
    local address = core.fold_address(recipient)
    local value = found.exact[address]
    if value ~= nil then return value end
    local plain, host = address:match("^([^+]+)%+.*(@[^@]*)$")
    value = plain and found.exact[plain .. host]
    if value then return value end
    local entry, groups = match_regex(found.regexes, address)
    if entry then return expand(entry, groups) end
    entry = match_regex(found.wildcards, address)
    return entry and entry.value
end

-- What RCPT may look up without asking: all but patterns.
local function named(found)
    local domains = {}
    for _, entry in ipairs(found.wildcards) do
        if entry.text:find("^%*@[^*@]+$") then insert(domains, entry.text) end
    end
    return { exact = found.exact, domains = domains,
        patterns = #found.regexes > 0 or #found.wildcards > #domains }
end

-- A rule of what find(recipient) gives.
local function new_rule(find_value, count, recipients)
    return rule.new {
        recipients = recipients,
        source = rule.where(),
        aliases = count,
        serves = function(recipient) return find_value(recipient) ~= nil end,
        answer = function(msg) return find_value(msg.envelope.recipient) end,
    }
end

local function from_table(_, entries)
    if type(entries) ~= "table" then
        rule.fail(nil, ("alias: a table of addresses was expected, not a %s"):format(type(entries)))
    end
    local found, count = read(entries), 0
    for _ in next, entries do count = count + 1 end
    return new_rule(function(recipient) return find(found, recipient) end, count, named(found))
end

-- Without "+tag", then the whole domain.
local function find_around(source, address)
    local name, host = address:match("^(.*)(@[^@]*)$")
    if not name then return nil end
    local plain = name:match("^([^+]+)%+")
    return plain and source:find(plain .. host) or source:find("*" .. host)
end

-- Addresses kept elsewhere, their domains in either form (A-labels, or U-labels in lower case): exact, then without "+tag", then "*@host".
local function from_source(kind)
    return function(path)
        if type(path) ~= "string" then
            rule.fail(nil, ("alias.%s: a path was expected, not a %s"):format(kind, type(path)))
        end
        local ok, source = pcall(core.aliases[kind], path)
        if not ok then rule.fail(nil, ("alias.%s: %s"):format(kind, source)) end
        return new_rule(function(recipient)
            local address = core.fold_address(recipient)
            local value = source:find(address)
            local other = value == nil and core.unfold_address(address)
            if other and other ~= address then value = source:find(other) end
            if value then return value end
            return find_around(source, address) or other ~= address and find_around(source, other) or nil
        end, kind == "file" and source:count() or 0, kind == "file" and { file = source } or { patterns = true })
    end
end

--- alias.file("aliases.csv"): lines of address,destination; one table in memory for all workers.
alias.file = from_source "file"

--- alias.sqlite("aliases.db"): CREATE TABLE aliases (address TEXT PRIMARY KEY COLLATE NOCASE, destination TEXT
-- NOT NULL), addresses in lower case; asked for each message, so that changes need no reload.
alias.sqlite = from_source "sqlite"

return setmetatable(alias, { __call = from_table })
