-- Values of the configuration about mail that is forwarded. Adds their readers to readers.lua's.

local readers = require "mxhook.domain_readers"

local by_type = readers.by_type

function by_type.smarthost(value)
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

function by_type.dkim(value)
  local expected = 'expected { domain = "example.com", selector = "mx1", key = "/etc/mxhook/dkim.key" }'
  if type(value) ~= "table" then return nil, expected end
  for field in pairs(value) do
    if field ~= "domain" and field ~= "selector" and field ~= "key" then
      return nil, ("there is no field '%s'; %s"):format(tostring(field), expected)
    end
  end
  local domain, why = by_type.domain(value.domain)
  if not domain then return nil, "domain: " .. why end
  local selector, key = value.selector, value.key
  if type(selector) ~= "string" or not selector:find("^[%w]") or selector:find("[^%w%-%._]") or #selector > 63 then
    return nil, 'selector: expected a name such as "mx1"'
  end
  if not by_type.secret(key) then return nil, 'key: expected a file, "file:/path" or "env:NAME"' end
  if not key:find("^file:") and not key:find("^env:") then
    if key:sub(1, 1) ~= "/" then return nil, "key: expected a file with its whole path" end
    key = "file:" .. key
  end
  return { domain, selector, key }
end

local FORWARD_TLS = { opportunistic = 0, verified = 1, off = 2 }

function by_type.forward_tls(value)
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

readers.finish_forward = finish_forward
return readers
