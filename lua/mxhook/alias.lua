--- alias: destinations by recipient.
--
--   return alias {
--       ["sales@example.com"] = "https://crm.example/hook",                   -- exact; sales+x too
--       ["/^inv-(\\d+)@example\\.com$/"] = "https://books.example/in/$1",     -- regular expression
--       ["*@example.com"] = "https://all.example/a, https://all.example/b",   -- wildcard
--       ["in-(*)@example.com"] = "https://in.example/$1",                     -- wildcard with a group
--       ["noreply@example.com"] = "null",                                     -- dropped
--   }
--
-- The best match alone answers: exact, then exact without "+tag", then regular expressions (the
-- longest first), then wildcards (the one with most characters first). Upper and lower case are the same.

local cjson = require "cjson"
local core = require "mxhook.core"
local groups = require "mxhook.groups"
local rule = require "mxhook.rule"

local cjson_null, decode = cjson.null, cjson.decode
local ipairs, next, pcall, setmetatable, tonumber, tostring, type, unpack = ipairs, next, pcall, setmetatable, tonumber, tostring,
    type, unpack
local insert, sort = table.insert, table.sort

local regex = core.regex

local alias = {}

local function compile(key, pattern, flags)
    local ok, code = pcall(regex.compile, pattern, flags)
    if not ok then rule.fail(key, ("alias key '%s': %s"):format(key, code)) end
    return code
end

local function add_pattern(list, key, text, code, value)
    local count, names = groups.of { code }
    local wrong = groups.check(value, count, names)
    if wrong then rule.fail(key, ("alias key '%s': %s"):format(key, wrong)) end
    insert(list, { key = key, text = text, code = code, value = value, groups = groups.any(value), names = names })
end

-- Adds what the key is to `found`, by kind.
local add = {}

function add.regex(found, key, value)
    local pattern, flags = key:match("^/(.*)/(%a*)$")
    if not pattern then
        rule.fail(key, ("alias key '%s': a regular expression ends with '/'"):format(key))
    end
    if not (pattern:find("^%^") or pattern:find("^\\A")) or not (pattern:find("%$$") or pattern:find("\\[zZ]$")) then
        rule.warn(key, ("alias key '%s' matches anywhere in an address: /^...$/ is the whole of it"):format(key))
    end
    add_pattern(found.regexes, key, pattern, compile(key, pattern, flags .. "i"), value)
end

function add.wildcard(found, key, value)
    -- "(*)" captures, "*" does not
    local pattern = core.fold_address(key):gsub("%(%*%)", "\0"):gsub("%*", "\\E.*\\Q"):gsub("%z", "\\E(.*)\\Q")
    pattern = "^\\Q" .. pattern .. "\\E$"
    add_pattern(found.wildcards, key, key, compile(key, pattern, "is"), value)
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
    if groups.any(value) then
        rule.fail(key, ("alias key '%s': a group in its destination, but the key is one address: a pattern has groups, "
            .. "as \"/^inv-(.*)@example\\.com$/\" and \"inv-(*)@example.com\""):format(key))
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
        rule.check_answer(key, ("alias key '%s'"):format(key), groups.substitute(value, function() return "1" end))
        local kind = key:sub(1, 1) == "/" and "regex" or key:find("*", 1, true) and "wildcard"
            or "exact"
        add[kind](found, key, value)
    end
    sort(found.regexes, by_length)
    sort(found.wildcards, by_length)
    return found
end

local function match_pattern(entries, address)
    for _, entry in ipairs(entries) do
        local matched = { entry.code:exec(address) }
        if matched[1] then return entry, matched end
    end
end

-- Nil where a group would change the destination's shape after all: then the key does not serve the address.
local function expand(entry, matched)
    if not entry.groups then return entry.value end
    local value = groups.substitute(entry.value, function(name)
        return matched[(tonumber(name) or entry.names[name]) + 2] or ""
    end)
    if groups.has_dot_segment(value) then return nil end
    return value
end

local function find(found, recipient)
    local address = core.fold_address(recipient)
    local value = found.exact[address]
    if value ~= nil then return value end
    local plain, host = address:match("^([^+]+)%+.*(@[^@]*)$")
    value = plain and found.exact[plain .. host]
    if value then return value end
    local entry, matched = match_pattern(found.regexes, address)
    if entry then return expand(entry, matched) end
    entry, matched = match_pattern(found.wildcards, address)
    return entry and expand(entry, matched)
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

-- The same of a source: a file's addresses can be looked up, a database is asked.
local function named_by(kind, source, patterns)
    if kind ~= "file" then return { patterns = true } end
    return { file = source, patterns = #patterns.regexes + #patterns.wildcards > 0 }
end

-- A rule of what find(recipient) gives. What more is known of it: exact, regexes, wildcards, as read() gives them; file, the
-- source of alias.file; asks: it asks somebody who may know any address.
local function new_rule(find_value, count, recipients, more)
    local parts = {
        exact = more.exact,
        regexes = more.regexes,
        wildcards = more.wildcards,
        file = more.file,
        asks = more.asks,
        recipients = recipients,
        source = rule.where(),
        aliases = count,
        serves = function(recipient) return find_value(recipient) ~= nil end,
        answer = function(msg) return find_value(msg.envelope.recipient) end,
    }
    return rule.new(parts), parts
end

-- The key that answers for a recipient: for tests, which tell what none of them reached.
local function key_for(found, recipient)
    local address = core.fold_address(recipient)
    if found.exact[address] ~= nil then return address end
    local plain, host = address:match("^([^+]+)%+.*(@[^@]*)$")
    if plain and found.exact[plain .. host] then return plain .. host end
    local entry = match_pattern(found.regexes, address) or match_pattern(found.wildcards, address)
    return entry and entry.key
end

local function keys_of(found)
    local keys = {}
    for address in next, found.exact do insert(keys, address) end
    for _, list in ipairs { found.regexes, found.wildcards } do
        for _, entry in ipairs(list) do insert(keys, entry.key) end
    end
    return keys
end

local function from_table(_, entries)
    if type(entries) ~= "table" then
        rule.fail(nil, ("alias: a table of addresses was expected, not a %s"):format(type(entries)))
    end
    local found, count = read(entries), 0
    for _ in next, entries do count = count + 1 end
    local new, parts = new_rule(function(recipient) return find(found, recipient) end, count, named(found), found)
    parts.keys = keys_of(found)
    parts.key_of = function(msg) return key_for(found, msg.envelope.recipient) end
    return new
end

-- "https://a, https://b, crm": what stands last is a profile, for each.
local function with_profile(value)
    local list, profile = value:match("^(.*),%s*([%a_][%w_%-]*)%s*$")
    if not profile or profile:lower() == "null" then return value end
    return (list:gsub("[^,]+", function(one) return one:gsub("^%s*", profile .. ":", 1) end))
end

-- The wildcards and regular expressions of a file; what is wrong with one names the file's line.
local function read_patterns(source, path)
    local found = { regexes = {}, wildcards = {} }
    for _, row in ipairs(source.patterns and source:patterns() or {}) do
        local key, value, line = row[1], with_profile(row[2]), row[3]
        local ok, wrong = pcall(function()
            rule.check_answer(nil, ("'%s'"):format(key), groups.substitute(value, function() return "1" end))
            add[key:sub(1, 1) == "/" and "regex" or "wildcard"](found, key, value)
        end)
        if not ok then
            rule.fail(nil, ("alias.file: %s:%d: %s"):format(path, line, (tostring(wrong):gsub("^[^:]+:%d+: ", ""))))
        end
    end
    sort(found.regexes, by_length)
    sort(found.wildcards, by_length)
    return found
end

-- The longest wildcard: of the patterns, or "*@host", which the source looks up.
local function find_wildcard(source, patterns, address, host)
    local entry, matched = match_pattern(patterns.wildcards, address)
    local plain = "*" .. host
    if entry and #entry.text > #plain then return expand(entry, matched) end
    local value = source:find(plain)
    if value then return value end
    return entry and expand(entry, matched)
end

-- Without "+tag", then patterns, then the whole domain.
local function find_around(source, patterns, address)
    local name, host = address:match("^(.*)(@[^@]*)$")
    if not name then return nil end
    local plain = name:match("^([^+]+)%+")
    local value = plain and source:find(plain .. host)
    if value then return value end
    local entry, matched = match_pattern(patterns.regexes, address)
    if entry then return expand(entry, matched) end
    return find_wildcard(source, patterns, address, host)
end

-- Addresses kept elsewhere, their domains in either form (A-labels, or U-labels in lower case): exact, then without
-- "+tag", then regular expressions, then wildcards.
local function from_source(kind)
    return function(path)
        if type(path) ~= "string" then
            rule.fail(nil, ("alias.%s: a path was expected, not a %s"):format(kind, type(path)))
        end
        local ok, source = pcall(core.aliases[kind], path)
        if not ok then rule.fail(nil, ("alias.%s: %s"):format(kind, source)) end
        local patterns = read_patterns(kind == "file" and source or {}, path)
        local function find_any(recipient)
            local address = core.fold_address(recipient)
            local value = source:find(address)
            local other = value == nil and core.unfold_address(address)
            if other and other ~= address then value = source:find(other) end
            if value then return value end
            return find_around(source, patterns, address) or other ~= address and find_around(source, patterns, other)
                or nil
        end
        local new = new_rule(function(recipient)
            local value = find_any(recipient)
            return type(value) == "string" and with_profile(value) or value
        end, kind == "file" and source:count() or 0, named_by(kind, source, patterns),
            { regexes = patterns.regexes, wildcards = patterns.wildcards, file = kind == "file" and source or nil,
                asks = kind ~= "file" })
        return new
    end
end

-- What the configuration calls those that alias.http and alias.postgres ask.
local OPTIONS = { http = "lookups", postgres = "databases" }

-- Whoever is asked by a name of the configuration; the rules never see where and how.
local function open_lookup(kind, name)
    if type(name) ~= "string" then
        rule.fail(nil, ("alias.%s: a name of %s in the configuration was expected, not a %s"):format(kind, OPTIONS[kind],
            type(name)))
    end
    local names = {}
    for _, source in ipairs(core.aliases.sources()) do
        local of_kind, known = source:match("^(%w+):(.*)$")
        if of_kind == kind and known == name then return core.aliases[kind](name) end
        if of_kind == kind then insert(names, known) end
    end
    rule.fail(name, ("alias.%s: the configuration has no %s.%s%s"):format(kind, OPTIONS[kind], name,
        rule.suggest(name, names)))
end

-- A rule that asks: find_value(source, recipient). RCPT asks it too.
local function from_lookup(kind, find_value)
    return function(name)
        local source = open_lookup(kind, name)
        local new = new_rule(function(recipient) return find_value(source, recipient) end, 0, { patterns = true },
            { asks = true })
        return new
    end
end

-- The server has checked its shape: a destination, a list of them, or an object that has it as `destinations`.
local function find_by_http(source, recipient)
    local text = source:find(core.fold_address(recipient))
    if not text then return nil end
    local value = decode(text)
    if type(value) == "table" and value.destinations ~= nil and value.destinations ~= cjson_null then
        return value.destinations
    end
    return value
end

-- The addresses that may serve this one, the best first, its domain in either form.
local function candidates(recipient)
    local list, seen = {}, {}
    local function add_one(address)
        for _, each in ipairs { address, core.unfold_address(address) } do
            if not seen[each] then insert(list, each) end
            seen[each] = true
        end
    end
    local address = core.fold_address(recipient)
    local name, host = address:match("^(.*)(@[^@]*)$")
    add_one(address)
    if not name then return list end
    local plain = name:match("^([^+]+)%+")
    if plain then add_one(plain .. host) end
    add_one("*" .. host)
    return list
end

local function find_by_postgres(source, recipient)
    local value = source:find(unpack(candidates(recipient)))
    return value and with_profile(value)
end

--- alias.file("aliases.csv"): lines of address,destination; one table in memory for all workers. An address may be a
-- wildcard or a regular expression, as a key of alias {} may.
alias.file = from_source "file"

--- alias.sqlite("aliases.db"): CREATE TABLE aliases (address TEXT PRIMARY KEY COLLATE NOCASE, destination TEXT
-- NOT NULL), addresses in lower case; asked for each message, so that changes need no reload.
alias.sqlite = from_source "sqlite"

--- alias.http("crm"): asks the application that the configuration has as lookups.crm.
alias.http = from_lookup("http", find_by_http)

--- alias.postgres("shop"): asks the table that the configuration has as databases.shop: exact, then without "+tag", then
-- "*@host".
alias.postgres = from_lookup("postgres", find_by_postgres)

return setmetatable(alias, { __call = from_table })
