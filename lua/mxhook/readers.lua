-- Values of the configuration, read: by the type of an option, a function that gives the value for config_values.c,
-- or nil and what was expected.

local nearest = require "mxhook.nearest"

-- More types are read in domain_readers.lua, listener_readers.lua, forward_readers.lua, admin_readers.lua and
-- source_readers.lua.
local readers = {}

-- is_network(text), domain_to_ascii(text), duration_ms(text), byte_units and check_destination(table, profile) are C's, given
-- by config.lua: what reads networks, domains, durations, sizes and destinations for the server reads them here.
local module = {}

local function with_unit(value, expected)
  if type(value) ~= "string" then return nil, expected end
  local number, unit = value:match("^%s*(%d+%.?%d*)%s*(%a*)%s*$")
  local factor = number and unit ~= "" and module.byte_units[unit]
  if not factor then return nil, expected end
  return math.floor(tonumber(number) * factor)
end

local function within(number, option, unit)
  if number < option.min or number > option.max then
    return nil, ("expected %s to %s%s"):format(option.min, option.max, unit)
  end
  return number
end

function readers.string(value)
  if type(value) ~= "string" or value == "" or value:find("[%z\1-\32\127]") then
    return nil, "expected a string without spaces or control characters"
  end
  return value
end

-- What stands in the place of a secret: config.lua takes these with the line of their option.
module.references = {}

local function note_reference(text)
  if text:find("^env:") or text:find("^file:") then module.references[#module.references + 1] = text end
end

function readers.secret(value)
  if type(value) ~= "string" or value == "" or value:find("[%z\1-\31\127]") then
    return nil, 'expected a text, "env:NAME" or "file:/path"'
  end
  note_reference(value)
  return value
end

function readers.conninfo(value)
  if type(value) ~= "string" or value == "" or value:find("[%z\1-\31\127]") then
    return nil, 'expected a connection to PostgreSQL, such as "host=db dbname=mxhook"'
  end
  return value
end

function readers.path(value)
  if type(value) ~= "string" or value == "" or value:find("%z") then
    return nil, "expected a path"
  end
  return value
end

function readers.boolean(value)
  if type(value) ~= "boolean" then return nil, "expected true or false" end
  return value
end

function readers.integer(value, option)
  if type(value) ~= "number" or value ~= math.floor(value) then
    return nil, "expected a whole number"
  end
  return within(value, option, "")
end

function readers.duration(value, option)
  local ms = type(value) == "string" and module.duration_ms(value)
  if not ms then return nil, 'expected a duration such as "100ms", "5s", "10m", "6h" or "1d"' end
  return within(ms, option, " ms")
end

function readers.bytes(value, option)
  local expected = 'expected a number of bytes, or a size such as "256 KiB" or "50 MB" (B, kB, MB, GB, TB are powers '
    .. 'of 1000; KiB, MiB, GiB, TiB of 1024)'
  if type(value) ~= "number" then
    value, expected = with_unit(value, expected)
    if not value then return nil, expected end
  end
  if value ~= math.floor(value) then return nil, expected end
  return within(value, option, " bytes")
end

function readers.level(value)
  for number, name in ipairs { "debug", "info", "warn", "error" } do
    if value == name then return number - 1 end
  end
  return nil, "expected debug, info, warn or error"
end

function readers.log_format(value)
  for number, name in ipairs { "auto", "text", "json", "journal" } do
    if value == name then return number - 1 end
  end
  return nil, 'expected "auto", "text", "json" or "journal"'
end

function readers.bodies(value)
  for number, name in ipairs { "none", "failed", "all" } do
    if value == name then return number - 1 end
  end
  return nil, 'expected "none", "failed" or "all"'
end

local function list_of(value, read, expected, option)
  if type(value) ~= "table" then return nil, expected end
  local list, count = {}, 0
  for _ in pairs(value) do count = count + 1 end
  if count == 0 or count ~= #value then return nil, expected end
  for index, item in ipairs(value) do
    local read_item, why = read(item, option)
    if read_item == nil then return nil, why end
    list[index] = read_item
  end
  return list
end

function readers.durations(value, option)
  return list_of(value, readers.duration, 'expected a list of durations, such as { "10s", "1m" }', option)
end

local function origin(value)
  if type(value) ~= "string" or not value:find("^https?://[^%s/?#]+[^%s?#]*$") or #value > 2000 then
    return nil, ('expected a URL such as "http://127.0.0.1:11333", got "%s"'):format(tostring(value))
  end
  return value
end

-- One, or a list that may be empty.
function readers.urls(value)
  if type(value) == "string" then value = { value } end
  if type(value) == "table" and next(value) == nil then return {} end
  return list_of(value, origin, 'expected a URL such as "http://127.0.0.1:11333", or a list of them')
end

function readers.texts(value)
  if type(value) == "table" and next(value) == nil then return {} end
  return list_of(value, readers.string, "expected a list of strings")
end

function readers.scan_failure(value)
  if value ~= "accept" and value ~= "defer" then return nil, 'expected "accept" or "defer"' end
  return value == "defer"
end

-- May be empty.
function readers.paths(value)
  if type(value) == "table" and next(value) == nil then return {} end
  return list_of(value, readers.path, 'expected a list of folders, such as { "/srv/mail/lists" }')
end

local function glob(value)
  if type(value) ~= "string" or value == "" or value:find("[%z\1-\32\127-\255:%[%]\\]") then
    return nil, 'expected the name of a header, or a pattern such as "X-Tenant-*"'
  end
  return value
end

-- May be empty.
function readers.globs(value)
  if type(value) == "table" and next(value) == nil then return {} end
  return list_of(value, glob, 'expected a list of headers, such as { "X-Customer", "X-Tenant-*" }')
end

local function address(value)
  local text = type(value) == "string" and value or tostring(value)
  local host, port = text:match("^%[([%x:%.]+)%]:(%d+)$")
  if not host then host, port = text:match("^(%d+%.%d+%.%d+%.%d+):(%d+)$") end
  if not host or tonumber(port) > 65535 then
    return nil, ('expected address:port, such as "0.0.0.0:25" or "[::]:25", got "%s"'):format(text)
  end
  return { host = host, port = tonumber(port) }
end

function readers.addresses(value)
  return list_of(value, address, 'expected a list of addresses, such as { "0.0.0.0:25", "[::]:25" }')
end

-- Tables inside lists: `names` says which keys there are.
local function check_keys(value, names, what)
  local known = {}
  for _, name in ipairs(names) do known[name] = true end
  for key in pairs(value) do
    if not known[key] then
      local name = tostring(key)
      return nil, ("%s has no %s%s"):format(what, name, nearest(name, names, "; did you mean %s?"))
    end
  end
  return true
end

-- A table, as C reads it from the values. `profile`: it has no URL.
function module.destination(value, profile)
  local ok, why = check_keys(value, module.destination_fields, "a destination")
  if not ok then return nil, why end
  why = module.check_destination(value, profile)
  if why then return nil, why end
  if value.secret then note_reference(value.secret) end
  for _, header in pairs(value.headers or {}) do
    if type(header) == "table" then note_reference(header.env and "env:" .. header.env or "file:" .. header.file) end
  end
  return value
end

function readers.destination(value)
  return module.destination(type(value) == "table" and value or { url = value }, false)
end

module.by_type, module.list_of, module.address, module.check_keys = readers, list_of, address, check_keys
return module
