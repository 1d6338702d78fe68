--- Aliases that load and can answer nobody: for `mxhook check`, which knows the domains that mail is taken for.
--
-- unreachable(domains) -> a text with a line for each: "10-alias.lua:3: ...". Of functions, route.regex and route.cel
-- nothing is known: they may answer for everybody.

local core = require "mxhook.core"
local nearest = require "mxhook.nearest"
local rule = require "mxhook.rule"

local ipairs, next = ipairs, next
local concat, insert, sort = table.concat, table.insert, table.sort

local MAX_LINES = 20        -- of one rule and one kind
local MAX_MATCHES = 200000  -- of patterns, in all: more take too long

-- Stands for what a "*" matches: no key has it.
local ANY = "\1"

local function fold_host(host)
    local folded = core.fold_address("x@" .. host)
    return folded:sub(3)
end

-- Is mail for this host taken? `host` may hold ANY.
local function is_ours(domains, host)
    for _, domain in ipairs(domains) do
        local suffix = domain:match("^%*(%..*)$")
        if domain == host or suffix and #host > #suffix and host:sub(-#suffix) == suffix then return true end
        if host:find(ANY) then -- "*.example.com" as a key
            local pattern = "^" .. host:gsub("[^%w" .. ANY .. "]", "%%%0"):gsub(ANY, ".*") .. "$"
            if suffix or domain:find(pattern) then return true end
        end
    end
    return false
end

-- The host that a key is for, where it can be told: of an address, a wildcard, a regular expression that ends with it.
local function host_of(key)
    if key:find("^/") then
        local host = key:match("@([%w%-\\.]+)%$/%a*$")
        if not host or host:gsub("\\%.", ""):find("[\\.]") then return nil end
        return fold_host((host:gsub("\\", "")))
    end
    local host = key:match("@([^@]*)$")
    if not host then return nil end
    host = host:gsub("%(%*%)", "*")
    return host:find("%*") and host:lower():gsub("%*", ANY) or fold_host(host)
end

local function sorted(map)
    local list = {}
    for key in next, map or {} do insert(list, key) end
    sort(list)
    return list
end

-- All keys that stand in a rule's table, and the patterns of its file.
local function keys_of(parts)
    local keys = sorted(parts.exact)
    for _, list in ipairs { parts.regexes or {}, parts.wildcards or {} } do
        for _, entry in ipairs(list) do insert(keys, entry.key) end
    end
    return keys
end

local function say(lines, parts, texts)
    for i, text in ipairs(texts) do
        if i > MAX_LINES then
            insert(lines, ("%s: and %d more like that"):format(parts.source, #texts - MAX_LINES))
            return
        end
        insert(lines, parts.source .. ": " .. text)
    end
end

-- ---- Keys at hosts that mail is not taken for ----

local function foreign(domains, parts)
    local texts = {}
    local function note(key, host)
        insert(texts, ("'%s' can match nobody: '%s' is none of the configuration's domains%s"):format(key,
            host:gsub(ANY, "*"), nearest(host, domains, " (did you mean '%s'?)")))
    end
    for _, key in ipairs(keys_of(parts)) do
        local host = host_of(key)
        if host and not is_ours(domains, host) then note(key, host) end
    end
    local hosts = parts.file and parts.file:hosts() or {}
    for _, host in ipairs(sorted(hosts)) do
        local folded = fold_host(host)
        if not is_ours(domains, folded) then note(hosts[host], folded) end
    end
    return texts
end

-- ---- Domains that no alias is for ----

-- May the rule answer for an address there?
local function may_serve(parts, domain)
    if not parts.serves or parts.asks then return true end
    for _, key in ipairs(keys_of(parts)) do
        local host = host_of(key)
        if not host or is_ours({ domain }, host) or is_ours({ host }, domain) then return true end
    end
    for host in next, parts.file and parts.file:hosts() or {} do
        if is_ours({ domain }, fold_host(host)) then return true end
    end
    return false
end

local function without_alias(domains, all)
    local lines = {}
    for _, domain in ipairs(domains) do
        local served = #all == 0
        for _, parts in ipairs(all) do served = served or may_serve(parts, domain) end
        if not served then
            insert(lines, ("domains: %s: no rule can match an address there: all its mail is refused"):format(domain))
        end
    end
    return lines
end

-- ---- What stands behind a wildcard ----

local budget

-- The first of the patterns that matches and does not let the next rules be asked.
local function matching(patterns, address)
    for _, entry in ipairs(patterns) do
        budget = budget - 1
        if budget < 0 then return nil end
        if entry.code:exec(address) and not core.is_also(entry.value) then return entry end
    end
end

-- What answers before: source and key; nil: nothing is known to. A wildcard stands there with ANY.
local function before(earlier, address)
    for _, parts in ipairs(earlier) do
        local entry = matching(parts.wildcards or {}, address)
            or not address:find(ANY) and matching(parts.regexes or {}, address)
        if entry then return ("%s ('%s')"):format(parts.source, entry.key) end
    end
end

local function hidden(parts, earlier)
    local texts, TEXT = {}, "%s is answered by %s before: %s"
    local whole = before(earlier, ANY .. "@" .. ANY)
    if whole then return { TEXT:format("all mail", whole, "this rule is never asked") } end
    local function look(key, address)
        local found = before(earlier, address)
        if found then insert(texts, TEXT:format("'" .. key .. "'", found, "this one is never asked")) end
    end
    for _, address in ipairs(sorted(parts.exact)) do look(address, address) end
    for _, entry in ipairs(parts.wildcards or {}) do
        look(entry.key, (core.fold_address(entry.key):gsub("%(%*%)", ANY):gsub("%*", ANY)))
    end
    for _, host in ipairs(sorted(parts.file and parts.file:hosts())) do look("*@" .. host, ANY .. "@" .. fold_host(host)) end
    return texts
end

return function(domains)
    local lines, earlier, all = {}, {}, rule.all()
    budget = MAX_MATCHES
    for _, parts in ipairs(all) do
        say(lines, parts, foreign(domains, parts))
        say(lines, parts, hidden(parts, earlier))
        if parts.wildcards then insert(earlier, parts) end
    end
    for _, line in ipairs(without_alias(domains, all)) do insert(lines, line) end
    return concat(lines, "\n")
end
