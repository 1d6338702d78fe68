-- Values of the configuration about the admin room. Adds their readers to readers.lua's.

local readers = require "mxhook.listener_readers"

local by_type, list_of = readers.by_type, readers.list_of

function by_type.admin_listeners(value)
  return list_of(value, readers.listen_address, 'expected a list of addresses, such as { "unix:/run/mxhook/admin.sock", "127.0.0.1:8026" }')
end

local ADMIN_ROLE = { view = 1, read = 2, operate = 3 }
local TOKEN_LEAST = 16
local LISTEN_MOST = 8 -- ADMIN_LISTENERS of admin/request.h

-- A list for config_values.c: a name, its role, its secret, the next name, and so on. check(secret) says what is wrong.
local function logins(value, field, expected, check)
  local names, list = readers.login_names(value), {}
  if not names then return nil, expected end
  for _, name in ipairs(names) do
    local each = value[name]
    if type(each) ~= "table" then return nil, expected end
    local ok, why = readers.check_keys(each, { "role", field }, name)
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

function by_type.admin_users(value)
  return logins(value, "password", 'expected a table such as { alice = { role = "operate", password = "$y$..." } }', function(hash)
    if not by_type.string(hash) or not hash:find("^%$[%w%-]+%$") then
      return "the password is not a hash as crypt(5) makes them; see `openssl passwd -6`"
    end
  end)
end

function by_type.admin_tokens(value)
  return logins(value, "token", 'expected a table such as { prometheus = { role = "view", token = "file:/path" } }', function(token)
    if not by_type.secret(token) then return 'the token is a text, "env:NAME" or "file:/path"' end
    if not token:find("^env:") and not token:find("^file:") and (#token < TOKEN_LEAST or token:find("%s")) then
      return ("the token has fewer than %d characters, or spaces"):format(TOKEN_LEAST)
    end
  end)
end

-- An address that others reach needs somebody who may log in. Nil and what is wrong.
local function finish_admin(result)
  if #(result["admin.listen"] or {}) > LISTEN_MOST then
    return nil, ("%d addresses at most"):format(LISTEN_MOST)
  end
  for _, each in ipairs(result["admin.listen"] or {}) do
    local host = each.host
    local own = host:sub(1, 1) == "/" or host:find("^127%.") or host == "::1"
    if not own and not result["admin.users"] and not result["admin.tokens"] then
      return nil, ("others can reach %s: it needs admin.users or admin.tokens"):format(host)
    end
  end
  return true
end

readers.finish_admin = finish_admin
return readers
