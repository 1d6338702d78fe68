-- Values of the configuration about who connects: listeners, TLS, networks, users. Adds their readers to readers.lua's.

local readers = require "mxhook.readers"

local by_type, list_of = readers.by_type, readers.list_of

local LISTEN_TLS = { off = 0, starttls = 1, required = 2, implicit = 3 }
local LISTEN_AUTH = { off = 0, offered = 1, required = 2 }
local LISTEN_PROTOCOL = { smtp = 0, lmtp = 1 }
local TLS_VERSION = { ["1.0"] = 0x301, ["1.1"] = 0x302, ["1.2"] = 0x303, ["1.3"] = 0x304 } -- RFC 8446 section 4.1.2
local UNIX_PATH_MAX = 107 -- sockaddr_un

-- A TCP address, or a path.
local function listen_address(value)
  local path = type(value) == "string" and value:match("^unix:(.*)$")
  if not path then return readers.address(value) end
  if path:sub(1, 1) ~= "/" or path:find("[%z\1-\32\127]") or #path > UNIX_PATH_MAX then
    return nil, ('expected "unix:" and an absolute path of at most %d bytes without spaces, got "%s"')
      :format(UNIX_PATH_MAX, value)
  end
  return { host = path, port = 0 }
end

-- What is left open (tls) is filled in by finish_listeners().
local function listener(value)
  if type(value) ~= "table" then value = { address = value } end
  local ok, why = readers.check_keys(value, { "address", "tls", "min_version", "auth", "auth_without_tls", "protocol", "proxy" }, "a listener")
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

function by_type.tls_version(value)
  if value == "1.2" or value == "1.3" then return value end
  if TLS_VERSION[value] then
    return nil, ('"1.2" or "1.3"; what is older belongs to a listener of its own: '
      .. 'listen = { ..., { address = "192.168.1.1:2525", min_version = %q } }'):format(value)
  end
  return nil, 'expected "1.2" or "1.3"'
end

function by_type.listeners(value)
  return list_of(value, listener, 'expected a list of addresses, such as { "0.0.0.0:25", "[::]:25" }')
end

local function certificate(value)
  local expected = 'expected { certificate = "FILE", key = "FILE" }'
  if type(value) ~= "table" then return nil, expected end
  local ok, why = readers.check_keys(value, { "certificate", "key" }, "a certificate")
  if not ok then return nil, why end
  if not by_type.path(value.certificate) or not by_type.path(value.key) then return nil, expected end
  return { value.certificate, value.key }
end

function by_type.networks(value)
  local expected = 'expected a list of networks, such as { "192.0.2.0/24", "2001:db8::1" }'
  if type(value) == "table" and next(value) == nil then return value end
  return list_of(value, function(item)
    if type(item) == "string" and readers.is_network(item) then return item end
    return nil, ('expected an address or a network without bits after its prefix, such as "192.0.2.0/24", got "%s"')
      :format(tostring(item))
  end, expected)
end

function by_type.certificates(value)
  return list_of(value, certificate, 'expected a list such as { { certificate = "FILE", key = "FILE" } }')
end

-- The keys of a table of users, or of tokens, in order; nil: it is no such table.
local function login_names(value)
  if type(value) ~= "table" or next(value) == nil then return nil end
  local names = {}
  for name in pairs(value) do
    if not by_type.string(name) or #name > 255 then return nil end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

-- A list for config_values.c: a name, its hash, the next name, and so on.
function by_type.users(value)
  local expected = 'expected a table of names and password hashes, such as { printer = "$y$..." }'
  local names, list = login_names(value), {}
  if not names then return nil, expected end
  for _, name in ipairs(names) do
    local hash = value[name]
    if not by_type.string(hash) or not hash:find("^%$[%w%-]+%$") then
      return nil, ("the password of %s is not a hash as crypt(5) makes them; see `openssl passwd -6`"):format(name)
    end
    list[#list + 1] = name
    list[#list + 1] = hash
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

readers.listen_address, readers.login_names, readers.finish_listeners = listen_address, login_names, finish_listeners
return readers
