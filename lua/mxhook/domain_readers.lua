-- Values of the configuration that are domains, and lists of DNS. Adds their readers to readers.lua's.

local readers = require "mxhook.readers"

local by_type, list_of = readers.by_type, readers.list_of

local function domain(value)
  local name = type(value) == "string" and value:lower() or ""
  local bare = name:gsub("^%*%.", "")
  if bare == "" or bare:find("[^%w%-%._\128-\255]") or bare:find("%.%.") or bare:find("^[%.%-]") or bare:find("[%.%-]$") then
    return nil, ('expected a domain such as "example.com" or "*.example.com", got "%s"'):format(tostring(value))
  end
  local ascii, why = readers.domain_to_ascii(bare)
  if not ascii then return nil, ('"%s" cannot be an internationalized domain: %s'):format(value, why) end
  return name:sub(1, #name - #bare) .. ascii
end

-- Mail for one of these may also name our address (RFC 5321 section 4.1.3).
local function domain_or_literal(value)
  local literal = type(value) == "string" and value:match("^%[(.+)%]$")
  if not literal then return domain(value) end
  local address = literal:gsub("^[Ii][Pp][vV]6:", "")
  local is_v6 = address ~= literal
  if not readers.is_network(address) or address:find("/") or (address:find(":") ~= nil) ~= is_v6 then
    return nil, ('expected an address literal such as "[192.0.2.1]" or "[IPv6:2001:db8::1]", got "%s"'):format(value)
  end
  return (readers.domain_to_ascii(value))
end

function by_type.domain(value)
  local name, why = domain(value)
  if name and name:find("^%*") then return nil, 'expected a domain such as "example.com"' end
  return name, why
end

function by_type.domains(value)
  return list_of(value, domain_or_literal, 'expected a list of domains, such as { "example.com" }')
end

function by_type.names(value)
  return list_of(value, by_type.domain, 'expected a list of names, such as { "mxhook.example.com" }')
end

local DNSBL_MAX = 16
local ZONE_MAX = 253 - 64 -- of a name, what the nibbles of an IPv6 address leave

local function blocklist(value)
  local expected = 'expected the name of a DNS zone, or { zone = "zen.example.org", refuse = true }'
  if type(value) ~= "table" then value = { zone = value } end
  local ok, why = readers.check_keys(value, { "zone", "refuse" }, "a blocklist")
  if not ok then return nil, why end
  local zone = type(value.zone) == "string" and value.zone:lower():gsub("%.$", "") or ""
  if not zone:find("^[%w%-_%.]+$") or #zone > ZONE_MAX or ("." .. zone .. "."):find("%.%.") then return nil, expected end
  for label in zone:gmatch("[^.]+") do
    if #label > 63 then return nil, expected end
  end
  if value.refuse ~= nil and type(value.refuse) ~= "boolean" then return nil, expected end
  return { zone, value.refuse and "refuse" or "" }
end

-- A list for config_values.c: a zone, "refuse" or "", the next zone, and so on.
function by_type.dnsbl(value)
  local expected = 'expected a list such as { "zen.example.org", { zone = "bl.example.net", refuse = true } }'
  if type(value) == "table" and next(value) == nil then return value end
  local zones, why = list_of(value, blocklist, expected)
  if not zones then return nil, why end
  if #zones > DNSBL_MAX then return nil, ("expected %d blocklists at most"):format(DNSBL_MAX) end
  local list, seen = {}, {}
  for _, each in ipairs(zones) do
    if seen[each[1]] then return nil, ("%s stands there twice"):format(each[1]) end
    seen[each[1]] = true
    list[#list + 1] = each[1]
    list[#list + 1] = each[2]
  end
  return list
end

return readers
