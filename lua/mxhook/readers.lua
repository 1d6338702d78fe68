-- Values of the configuration, read: by the type of an option, a function that gives the value for config_values.c,
-- or nil and what was expected.

local nearest = require "mxhook.nearest"

local readers = {}

-- is_network(text), domain_to_ascii(text), duration_ms(text) and check_destination(table, profile) are C's, given by
-- config.lua: what reads networks, domains, durations and destinations for the server reads them here.
local module = {}

local MIB = 1024 * 1024
local BYTES = { B = 1, KB = 1e3, MB = 1e6, GB = 1e9, KiB = 1024, MiB = MIB, GiB = 1024 * MIB }

local function with_unit(value, expected)
  if type(value) ~= "string" then return nil, expected end
  local number, unit = value:match("^%s*(%d+%.?%d*)%s*(%a*)%s*$")
  local factor = number and BYTES[unit]
  if not factor then return nil, expected end
  return math.floor(tonumber(number) * factor)
end

local function within(number, option, unit)
  if option.min and number < option.min or option.max and number > option.max then
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

function readers.secret(value)
  if type(value) ~= "string" or value == "" or value:find("[%z\1-\31\127]") then
    return nil, 'expected a text, "env:NAME" or "file:/path"'
  end
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
  local expected = 'expected a number of bytes, or a size such as "256 KiB" or "50 MB"'
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

local function domain(value)
  local name = type(value) == "string" and value:lower() or ""
  local bare = name:gsub("^%*%.", "")
  if bare == "" or bare:find("[^%w%-%._\128-\255]") or bare:find("%.%.") or bare:find("^[%.%-]") or bare:find("[%.%-]$") then
    return nil, ('expected a domain such as "example.com" or "*.example.com", got "%s"'):format(tostring(value))
  end
  local ascii, why = module.domain_to_ascii(bare)
  if not ascii then return nil, ('"%s" cannot be an internationalized domain: %s'):format(value, why) end
  return name:sub(1, #name - #bare) .. ascii
end

-- Mail for one of these may also name our address (RFC 5321 section 4.1.3).
local function domain_or_literal(value)
  local literal = type(value) == "string" and value:match("^%[(.+)%]$")
  if not literal then return domain(value) end
  local address = literal:gsub("^[Ii][Pp][vV]6:", "")
  local is_v6 = address ~= literal
  if not module.is_network(address) or address:find("/") or (address:find(":") ~= nil) ~= is_v6 then
    return nil, ('expected an address literal such as "[192.0.2.1]" or "[IPv6:2001:db8::1]", got "%s"'):format(value)
  end
  return (module.domain_to_ascii(value))
end

function readers.domain(value)
  local name, why = domain(value)
  if name and name:find("^%*") then return nil, 'expected a domain such as "example.com"' end
  return name, why
end

function readers.domains(value)
  return list_of(value, domain_or_literal, 'expected a list of domains, such as { "example.com" }')
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

---------------------------------------------------------------------------------------------------
-- Destinations

-- A table, as C reads it from the values. `profile`: it has no URL.
function module.destination(value, profile)
  local ok, why = check_keys(value, module.destination_fields, "a destination")
  if not ok then return nil, why end
  why = module.check_destination(value, profile)
  if why then return nil, why end
  return value
end

function readers.destination(value)
  return module.destination(type(value) == "table" and value or { url = value }, false)
end

local LISTEN_TLS = { off = 0, starttls = 1, required = 2, implicit = 3 }
local LISTEN_AUTH = { off = 0, offered = 1, required = 2 }
local LISTEN_PROTOCOL = { smtp = 0, lmtp = 1 }
local TLS_VERSION = { ["1.0"] = 0x301, ["1.1"] = 0x302, ["1.2"] = 0x303, ["1.3"] = 0x304 } -- RFC 8446 section 4.1.2
local UNIX_PATH_MAX = 107 -- sockaddr_un

-- A TCP address, or a path.
local function listen_address(value)
  local path = type(value) == "string" and value:match("^unix:(.*)$")
  if not path then return address(value) end
  if path:sub(1, 1) ~= "/" or path:find("[%z\1-\32\127]") or #path > UNIX_PATH_MAX then
    return nil, ('expected "unix:" and an absolute path of at most %d bytes without spaces, got "%s"')
      :format(UNIX_PATH_MAX, value)
  end
  return { host = path, port = 0 }
end

-- What is left open (tls) is filled in by finish_listeners().
local function listener(value)
  if type(value) ~= "table" then value = { address = value } end
  local ok, why = check_keys(value, { "address", "tls", "min_version", "auth", "auth_without_tls", "protocol", "proxy" }, "a listener")
  if not ok then return nil, why end
  if value.auth ~= nil and not LISTEN_AUTH[value.auth] then
    return nil, ('expected auth = "off", "offered" or "required", got %q'):format(tostring(value.auth))
  end
  if value.tls ~= nil and not LISTEN_TLS[value.tls] then
    return nil, ('expected tls = "off", "starttls", "required" or "implicit", got %q'):format(tostring(value.tls))
  end
  if value.protocol ~= nil and not LISTEN_PROTOCOL[value.protocol] then
    return nil, ('expected protocol = "smtp" or "lmtp", got %q'):format(tostring(value.protocol))
  end
  if value.min_version ~= nil and not TLS_VERSION[value.min_version] then
    return nil, ('expected min_version = "1.0", "1.1", "1.2" or "1.3", got %q'):format(tostring(value.min_version))
  end
  for _, name in ipairs { "proxy", "auth_without_tls" } do
    if value[name] ~= nil and type(value[name]) ~= "boolean" then
      return nil, ("expected %s = true or false, got %q"):format(name, tostring(value[name]))
    end
  end
  local where
  where, why = listen_address(value.address)
  if not where then return nil, why end
  if value.protocol == "lmtp" and where.port == 25 then
    return nil, "LMTP must not be spoken on port 25 (RFC 2033 section 5)"
  end
  return { where = where, tls = value.tls, auth = value.auth or "off", protocol = value.protocol or "smtp",
    proxy = value.proxy or false, min_version = value.min_version, auth_without_tls = value.auth_without_tls or false }
end

function readers.tls_version(value)
  if value == "1.2" or value == "1.3" then return value end
  if TLS_VERSION[value] then
    return nil, ('"1.2" or "1.3"; what is older belongs to a listener of its own: '
      .. 'listen = { ..., { address = "192.168.1.1:2525", min_version = %q } }'):format(value)
  end
  return nil, 'expected "1.2" or "1.3"'
end

function readers.listeners(value)
  return list_of(value, listener, 'expected a list of addresses, such as { "0.0.0.0:25", "[::]:25" }')
end

local function certificate(value)
  local expected = 'expected { certificate = "FILE", key = "FILE" }'
  if type(value) ~= "table" then return nil, expected end
  local ok, why = check_keys(value, { "certificate", "key" }, "a certificate")
  if not ok then return nil, why end
  if not readers.path(value.certificate) or not readers.path(value.key) then return nil, expected end
  return { value.certificate, value.key }
end

function readers.networks(value)
  local expected = 'expected a list of networks, such as { "192.0.2.0/24", "2001:db8::1" }'
  if type(value) == "table" and next(value) == nil then return value end
  return list_of(value, function(item)
    if type(item) == "string" and module.is_network(item) then return item end
    return nil, ('expected an address or a network without bits after its prefix, such as "192.0.2.0/24", got "%s"')
      :format(tostring(item))
  end, expected)
end

function readers.certificates(value)
  return list_of(value, certificate, 'expected a list such as { { certificate = "FILE", key = "FILE" } }')
end

-- A list for config_values.c: a name, its hash, the next name, and so on.
function readers.users(value)
  local expected = 'expected a table of names and password hashes, such as { printer = "$y$..." }'
  if type(value) ~= "table" or next(value) == nil then return nil, expected end
  local names, list = {}, {}
  for name in pairs(value) do
    if not readers.string(name) or #name > 255 then return nil, expected end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local hash = value[name]
    if not readers.string(hash) or not hash:find("^%$[%w%-]+%$") then
      return nil, ("the password of %s is not a hash as crypt(5) makes them; see `openssl passwd -6`"):format(name)
    end
    list[#list + 1] = name
    list[#list + 1] = hash
  end
  return list
end

function readers.smarthost(value)
  local expected = 'expected smtp:// or smtps://, a host and perhaps a port, such as "smtp://relay.example.com:587"'
  if type(value) ~= "string" then return nil, expected end
  local scheme, rest = value:lower():match("^(smtps?)://(.+)$")
  if not scheme then return nil, expected end
  local host, port = rest:match("^(%[[%x:%.]+%])(.*)$")
  if not host then host, port = rest:match("^([%w%.%-_]+)(.*)$") end
  local number = port and port:match("^:(%d+)$")
  if not host or port ~= "" and not number then return nil, expected end
  if number and (tonumber(number) < 1 or tonumber(number) > 65535) then return nil, expected end
  return scheme .. "://" .. host .. ":" .. (number or (scheme == "smtp" and 25 or 465))
end

function readers.dkim(value)
  local expected = 'expected { domain = "example.com", selector = "mx1", key = "/etc/mxhook/dkim.key" }'
  if type(value) ~= "table" then return nil, expected end
  for field in pairs(value) do
    if field ~= "domain" and field ~= "selector" and field ~= "key" then
      return nil, ("there is no field '%s'; %s"):format(tostring(field), expected)
    end
  end
  local domain, why = readers.domain(value.domain)
  if not domain then return nil, "domain: " .. why end
  local selector, key = value.selector, value.key
  if type(selector) ~= "string" or not selector:find("^[%w]") or selector:find("[^%w%-%._]") or #selector > 63 then
    return nil, 'selector: expected a name such as "mx1"'
  end
  if not readers.secret(key) then return nil, 'key: expected a file, "file:/path" or "env:NAME"' end
  if not key:find("^file:") and not key:find("^env:") then
    if key:sub(1, 1) ~= "/" then return nil, "key: expected a file with its whole path" end
    key = "file:" .. key
  end
  return { domain, selector, key }
end

local FORWARD_TLS = { opportunistic = 0, verified = 1, off = 2 }

function readers.forward_tls(value)
  if FORWARD_TLS[value] then return value end
  return nil, 'expected "opportunistic", "verified" or "off"'
end

-- The same for forward: nil, the option's name and what is wrong. A password never goes out in the clear
-- unless somebody said so.
local function finish_forward(result)
  local user, tls = result["forward.user"], result["forward.tls"]
  if user and not result["forward.password"] then return nil, "forward.user", "needs forward.password" end
  if user and not result["forward.smarthost"] then return nil, "forward.user", "needs forward.smarthost" end
  if result["forward.password"] and not user then return nil, "forward.password", "needs forward.user" end
  if user and tls == "opportunistic" and not result["forward.smarthost"]:find("^smtps:") then
    return nil, "forward.tls", 'a password needs "verified"; or "off", on a link that nobody can listen to'
  end
  result["forward.tls"] = FORWARD_TLS[tls or (user and "verified" or "opportunistic")]
  return true
end

---------------------------------------------------------------------------------------------------
-- The admin room

function readers.admin_listeners(value)
  return list_of(value, listen_address, 'expected a list of addresses, such as { "unix:/run/mxhook/admin.sock", "127.0.0.1:8026" }')
end

local ADMIN_ROLE = { view = 1, read = 2, operate = 3 }
local TOKEN_LEAST = 16

-- A list for config_values.c: a name, its role, its secret, the next name, and so on. check(secret) says what is wrong.
local function logins(value, field, expected, check)
  if type(value) ~= "table" or next(value) == nil then return nil, expected end
  local names, list = {}, {}
  for name in pairs(value) do
    if not readers.string(name) or #name > 255 then return nil, expected end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local each = value[name]
    if type(each) ~= "table" then return nil, expected end
    local ok, why = check_keys(each, { "role", field }, name)
    if not ok then return nil, why end
    if not ADMIN_ROLE[each.role] then return nil, ('the role of %s is "view", "read" or "operate"'):format(name) end
    why = check(each[field])
    if why then return nil, ("%s: %s"):format(name, why) end
    list[#list + 1] = name
    list[#list + 1] = tostring(ADMIN_ROLE[each.role])
    list[#list + 1] = each[field]
  end
  return list
end

function readers.admin_users(value)
  return logins(value, "password", 'expected a table such as { alice = { role = "operate", password = "$y$..." } }', function(hash)
    if not readers.string(hash) or not hash:find("^%$[%w%-]+%$") then
      return "the password is not a hash as crypt(5) makes them; see `openssl passwd -6`"
    end
  end)
end

function readers.admin_tokens(value)
  return logins(value, "token", 'expected a table such as { prometheus = { role = "view", token = "file:/path" } }', function(token)
    if not readers.secret(token) then return 'the token is a text, "env:NAME" or "file:/path"' end
    if not token:find("^env:") and not token:find("^file:") and (#token < TOKEN_LEAST or token:find("%s")) then
      return ("the token has fewer than %d characters, or spaces"):format(TOKEN_LEAST)
    end
  end)
end

function readers.names(value)
  return list_of(value, readers.domain, 'expected a list of names, such as { "mxhook.example.com" }')
end

-- An address that others reach needs somebody who may log in. Nil and what is wrong.
local function finish_admin(result)
  for _, each in ipairs(result["admin.listen"] or {}) do
    local host = each.host
    local own = host:sub(1, 1) == "/" or host:find("^127%.") or host == "::1"
    if not own and not result["admin.users"] and not result["admin.tokens"] then
      return nil, ("others can reach %s: it needs admin.users or admin.tokens"):format(host)
    end
  end
  return true
end

local DNSBL_MAX = 16
local ZONE_MAX = 253 - 64 -- of a name, what the nibbles of an IPv6 address leave

local function blocklist(value)
  local expected = 'expected the name of a DNS zone, or { zone = "zen.example.org", refuse = true }'
  if type(value) ~= "table" then value = { zone = value } end
  local ok, why = check_keys(value, { "zone", "refuse" }, "a blocklist")
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
function readers.dnsbl(value)
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

-- Settles what depends on other options: each listener becomes what config_values.c reads. Returns nil and
-- what is wrong, where something is.
local function finish_listeners(result)
  local certificates = result["tls.certificates"]
  for index, each in ipairs(result.listen) do
    local unix = each.where.host:sub(1, 1) == "/"
    local tls = each.tls or (certificates and not unix and "starttls" or "off")
    if tls ~= "off" and not certificates then
      return nil, ("tls = %q needs tls.certificates"):format(tls)
    end
    if each.min_version and tls == "off" then
      return nil, ("min_version = %q needs TLS on the same listener"):format(each.min_version)
    elseif each.auth_without_tls and each.auth == "off" then
      return nil, 'auth_without_tls = true needs auth = "offered" or "required" on the same listener'
    elseif each.auth ~= "off" and tls == "off" and not each.auth_without_tls then
      return nil, ("auth = %q needs TLS on the same listener, or auth_without_tls = true"):format(each.auth)
    elseif each.auth ~= "off" and not result["smtp.users"] then
      return nil, ("auth = %q needs smtp.users"):format(each.auth)
    end
    if each.proxy and not unix and not result["access.proxies"] then
      return nil, "proxy = true needs access.proxies, the addresses of the proxies"
    end
    result.listen[index] = { host = each.where.host, port = each.where.port, tls = LISTEN_TLS[tls],
      auth = LISTEN_AUTH[each.auth], protocol = LISTEN_PROTOCOL[each.protocol], proxy = each.proxy,
      auth_without_tls = each.auth_without_tls, min_version = TLS_VERSION[each.min_version or result["tls.min_version"]] }
  end
  return true
end

module.by_type, module.finish_listeners, module.finish_forward = readers, finish_listeners, finish_forward
module.finish_admin, module.check_keys = finish_admin, check_keys
return module
