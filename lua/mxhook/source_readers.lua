-- Values of the configuration that rules name: `lookups` and `databases`, whom alias.http and alias.postgres ask, and
-- `profiles`, what destinations have in common. Adds their readers to readers.lua's.

local readers = require "mxhook.readers"

local by_type = readers.by_type

-- The names of a table's entries, in order; nil where it is none.
local function names_of(value)
  if type(value) ~= "table" then return nil end
  local names = {}
  for name in pairs(value) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

local function url(value)
  if type(value) ~= "string" or #value > 4096 or not value:lower():find("^https?://[^/?#%s{}]+") then
    return nil, 'expected a URL such as "https://app.example.com/recipients/{address}"'
  end
  local rest, count = value:gsub("{address}", "")
  if rest:find("[^\33-\126]") or rest:find("[{}#]") then return nil, "expected a URL whose only {...} is {address}" end
  if count > 1 then return nil, "expected a URL with {address} at most once" end
  return value
end

local function query(value)
  if type(value) ~= "string" or not value:lower():find("^%s*select%f[%W]") then
    return nil, 'expected a query such as "SELECT address, destination FROM aliases"'
  end
  if value:find("%z") then return nil, "expected a query without NUL" end
  return (value:gsub(";%s*$", ""))
end

local function duration(default, most)
  return function(value)
    return by_type.duration(value == nil and default or value, { min = 1, max = most })
  end
end

local DAY = 86400e3

-- What both kinds have; `ttl` is how long an answer is fresh.
local function limits(ttl, negative_ttl)
  return {
    wait = duration("50ms", 10e3),
    timeout = duration("5s", 60e3),
    ttl = duration(ttl, DAY),
    negative_ttl = duration(negative_ttl, DAY),
    stale = function(value) return by_type.duration(value == nil and "1h" or value, { min = 0, max = 30 * DAY }) end,
    max_entries = function(value) return by_type.integer(value == nil and 100000 or value, { min = 1, max = 10e6 }) end,
  }
end

local function with(fields, more)
  for name, read in pairs(more) do fields[name] = read end
  return fields
end

local KINDS = {
  lookups = { kind = 0, example = '{ crm = { url = "https://app.example.com/recipients" } }',
    fields = with(limits("60s", "10s"), {
      url = url,
      secret = function(value)
        if value == nil then return false end
        return by_type.secret(value)
      end }) },
  databases = { kind = 1, example = '{ shop = { conninfo = "host=db dbname=shop user=mxhook", query = "SELECT address, destination FROM aliases" } }',
    fields = with(limits("2s", "2s"), { conninfo = by_type.conninfo, query = query }) },
}

-- One entry as config_sources.c reads it; or nil and what is wrong with it.
local function read_source(name, value, kind)
  if type(value) ~= "table" then return nil, "expected a table" end
  local fields = {}
  for field in pairs(kind.fields) do fields[#fields + 1] = field end
  table.sort(fields)
  local ok, why = readers.check_keys(value, fields, name)
  if not ok then return nil, why end
  local result = { kind = kind.kind, name = name }
  for _, field in ipairs(fields) do
    local read
    read, why = kind.fields[field](value[field])
    if read == nil then return nil, ("%s: %s"):format(field, why) end
    if read then result[field] = read end
  end
  return result
end

-- Nil, what is wrong and with which entry, since that has a line of its own.
local function read_entries(value, example, read)
  local names = names_of(value)
  if not names then return nil, "expected a table such as " .. example end
  local list = {}
  for _, name in ipairs(names) do
    if not name:find("^[%a_][%w_%-]*$") or #name > 60 then
      return nil, ("expected names of letters, digits, '_' and '-', got '%s'"):format(name)
    end
    local entry, why = read(name, value[name])
    if not entry then return nil, ("%s: %s"):format(name, why), name end
    list[#list + 1] = entry
  end
  return list
end

for option, kind in pairs(KINDS) do
  by_type[option] = function(value)
    return read_entries(value, kind.example, function(name, entry) return read_source(name, entry, kind) end)
  end
end

-- What a URL begins with, and "null", cannot name a profile.
local NOT_PROFILES = { http = true, https = true, mailto = true, null = true }

function by_type.profiles(value)
  return read_entries(value, '{ crm = { secret = "env:CRM_SECRET", timeout = "60s" } }', function(name, entry)
    if NOT_PROFILES[name:lower()] then return nil, "it cannot be the name of a profile" end
    if type(entry) ~= "table" then return nil, "expected a table" end
    if entry.url ~= nil then return nil, "a profile has no url: the destinations that name it do" end
    local to, why = readers.destination(entry, true)
    if not to then return nil, why end
    return { name = name, to = to }
  end)
end

return readers
