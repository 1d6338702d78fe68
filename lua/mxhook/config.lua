-- The configuration: every option with its type, default, limits and explanation, and the checks.
--
-- config.c runs load(path, text), and copies the values into struct config. `mxhook config` prints
-- example(). To add an option: a row in `options` here, then config.h and config.c.

local config = {}

local MIB = 1024 * 1024

-- Each has a name, a type (see `readers` below) and lines that explain it; and default, or machine (what
-- the default is that only the machine knows), or required; min and max; an example where there is no default.
local options = {
  { "hostname", "string", machine = "the machine's name", example = "mx.example.com",
    "The name in the greeting and in Authentication-Results: the one that your MX record points at." },
  { "domains", "domains", required = true, example = { "example.com" },
    "Domains that mail is taken for; \"*.example.com\" stands for every subdomain. Recipients elsewhere",
    "are refused (550 5.7.1). The only option without a default." },
  { "listen", "listeners", default = { "0.0.0.0:25", "[::]:25" },
    "Where to listen: address:port, IPv6 in brackets. Port 0 lets the kernel pick one; the log names it.",
    "Or a table that says more: { address = \"0.0.0.0:465\", tls = \"implicit\" }, where tls is",
    "  \"starttls\"  STARTTLS is offered: the default where tls.certificates is set",
    "  \"required\"  no mail before STARTTLS (530 5.7.0)",
    "  \"implicit\"  TLS from the first byte (RFC 8314)",
    "  \"off\"       the default where it is not" },
  { "user", "string", example = "mxhook",
    "The user to become, with its groups, when started as root: after ports are taken, before any file of",
    "the spool or of the rules is touched. systemd's unit starts as that user already." },
  { "log_level", "level", default = "info",
    "debug, info, warn or error: what is logged (to stderr), and all that is worse." },
  { "shutdown_timeout", "duration", default = "30s", min = 0, max = 3600e3,
    "How long SIGTERM waits for sessions and requests that are under way." },

  { "smtp.max_size", "bytes", default = "50 MiB", min = 1024, max = 2 ^ 40,
    "The largest message; larger ones are refused (552 5.3.4)." },
  { "smtp.max_recipients", "integer", default = 100, min = 1, max = 10000,
    "Recipients of one message; RFC 5321 asks for at least 100. More are put off (452 4.5.3)." },
  { "smtp.max_connections", "integer", default = 1000, min = 1, max = 1000000,
    "Connections at once; more are told to come back (421 4.3.2)." },
  { "smtp.max_errors", "integer", default = 20, min = 1, max = 10000,
    "Bad commands in one session before it is closed (421 4.7.0)." },
  { "smtp.command_timeout", "duration", default = "5m", min = 100, max = 3600e3,
    "How long a client may take for its next command (RFC 5321 section 4.5.3.2)." },
  { "smtp.data_timeout", "duration", default = "3m", min = 100, max = 3600e3,
    "How long a client may pause inside a message." },

  { "tls.certificates", "certificates",
    example = { { certificate = "/etc/mxhook/mx.example.com.pem", key = "/etc/mxhook/mx.example.com.key" } },
    "Certificates (PEM, the chain included) with their keys. A client that names the server (SNI) gets the",
    "one for that name, others the first. SIGHUP reads them again. TLS 1.2 and later." },

  { "rules.directory", "path", default = "rules.d",
    "Where the rules are: every *.lua there, in the order of their names." },
  { "rules.workers", "integer", machine = "the number of processors", example = 2, min = 1, max = 256,
    "Threads that parse messages and run rules, each with a Lua state." },
  { "rules.time_limit", "duration", default = "100ms", min = 1, max = 60e3,
    "How long all rules together may take for one recipient; then 451 to the sender." },
  { "rules.memory_limit", "bytes", default = "64 MiB", min = 4 * MIB, max = 2 ^ 40,
    "Memory of one Lua state, its rules included; a rule that needs more: 451 to the sender." },
  { "rules.text_limit", "bytes", default = "4 MiB", min = 1024, max = 2 ^ 40,
    "How much of a longer text or html a rule sees. The payload has all of it." },
  { "rules.unsafe", "boolean", default = false,
    "Lets rules use os, io, debug, package and ffi." },

  { "spool.directory", "path", default = "/var/lib/mxhook",
    "Where accepted mail is kept until it is delivered. One server at a time." },
  { "spool.keep_failed", "duration", default = "30d", min = 1000, max = 3650 * 86400e3,
    "How long failed deliveries are kept, for `mxhook queue retry`, before they are removed." },

  { "deliver.max_in_flight", "integer", default = 100, min = 1, max = 10000,
    "Requests at once." },
  { "deliver.max_per_origin", "integer", default = 20, min = 1, max = 10000,
    "Requests at once to one scheme, host and port." },
  { "deliver.attempts", "integer", default = 3, min = 1, max = 1000,
    "Attempts of one delivery, the first included. After the last it is kept as failed." },
  { "deliver.schedule", "durations", default = { "10s", "1m" }, min = 0, max = 30 * 86400e3,
    "The pauses before the second, third, ... attempt; the last one repeats." },
  { "deliver.connect_timeout", "duration", default = "10s", min = 10, max = 600e3,
    "How long a connection may take to be made, TLS included." },
  { "deliver.timeout", "duration", default = "60s", min = 10, max = 86400e3,
    "How long a whole attempt may take." },
  { "deliver.idle_timeout", "duration", default = "30s", min = 1000, max = 86400e3,
    "How long a receiver may neither take nor send a byte; in whole seconds." },
  { "deliver.ca_file", "path", example = "/etc/mxhook/ca.pem",
    "Certificates (PEM) to trust instead of the system's." },
  { "deliver.source_address", "string", example = "192.0.2.10",
    "The address to connect from, so that receivers can allow just that one." },
  { "deliver.proxy", "string", example = "http://proxy.example.com:3128",
    "A proxy for all requests, as curl's --proxy takes it. The environment's proxies are not used." },
  { "deliver.deny_private", "boolean", default = false,
    "Refuses to connect to loopback, private, link-local and other addresses that are not public.",
    "Checked on the address that is connected to, whatever name led there." },
  { "deliver.breaker_failures", "integer", default = 10, min = 1, max = 100000,
    "So many failures of one origin in a row, without an answer or with 5xx, and it is left alone for a while." },
  { "deliver.breaker_pause", "duration", default = "5s", min = 10, max = 86400e3,
    "For how long, before one request probes it. The pause doubles with each probe that fails." },
  { "deliver.breaker_pause_max", "duration", default = "1m", min = 10, max = 86400e3,
    "The longest such pause." },

  { "auth.spf", "boolean", default = true,
    "Checks whether the client may send for the sender's domain (RFC 7208)." },
  { "auth.dkim", "boolean", default = true,
    "Verifies DKIM signatures (RFC 6376)." },
  { "auth.dmarc", "boolean", default = true,
    "Checks what SPF and DKIM found against the domain in From (RFC 7489). A check that is off says",
    "\"none\" and why, never \"pass\"." },
  { "auth.enforce", "boolean", default = false,
    "Refuses (550 5.7.1) what fails DMARC where the domain asks for that. Otherwise only rules decide." },
  { "auth.resolvers", "addresses", example = { "127.0.0.1:53" },
    "Recursive DNS servers to ask, instead of those in /etc/resolv.conf: address:port." },
  { "auth.query_timeout", "duration", default = "1500ms", min = 10, max = 60e3,
    "How long one DNS server may take for one answer; then it is asked again, and the next one." },
  { "auth.timeout", "duration", default = "5s", min = 10, max = 60e3,
    "How long all look-ups may hold up a message after its end; what is missing then is a temperror." },
  { "auth.cache_size", "bytes", default = "16 MiB", min = 0, max = 2 ^ 32,
    "Memory for DNS answers, kept as long as they are valid." },
}

local by_name, sections = {}, {}
for _, option in ipairs(options) do
  option.name, option.type = option[1], option[2]
  by_name[option.name] = option
  local section = option.name:match("^(%w+)%.")
  if section then sections[section] = true end
end

---------------------------------------------------------------------------------------------------
-- Reading values: each gives the value for C, or nil and what was expected.

local readers = {}

local DURATIONS = { ms = 1, s = 1000, m = 60e3, h = 3600e3, d = 86400e3 }
local BYTES = { B = 1, KB = 1e3, MB = 1e6, GB = 1e9, KiB = 1024, MiB = MIB, GiB = 1024 * MIB }

local function with_unit(value, units, expected)
  if type(value) ~= "string" then return nil, expected end
  local number, unit = value:match("^%s*(%d+%.?%d*)%s*(%a*)%s*$")
  local factor = number and units[unit]
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
  local ms, expected = with_unit(value, DURATIONS, 'expected a duration such as "100ms", "5s", "10m", "6h" or "1d"')
  if not ms then return nil, expected end
  return within(ms, option, " ms")
end

function readers.bytes(value, option)
  local expected = 'expected a number of bytes, or a size such as "256 KiB" or "50 MB"'
  if type(value) ~= "number" then
    value, expected = with_unit(value, BYTES, expected)
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

local function domain(value)
  local name = type(value) == "string" and value:lower() or ""
  local bare = name:gsub("^%*%.", "")
  if bare == "" or bare:find("[^%w%-%._\128-\255]") or bare:find("%.%.") or bare:find("^[%.%-]") or bare:find("[%.%-]$") then
    return nil, ('expected a domain such as "example.com" or "*.example.com", got "%s"'):format(tostring(value))
  end
  return name
end

function readers.domains(value)
  return list_of(value, domain, 'expected a list of domains, such as { "example.com" }')
end

local function address(value)
  local text = type(value) == "string" and value or tostring(value)
  local host, port = text:match("^%[([%x:%.]+)%]:(%d+)$")
  if not host then host, port = text:match("^(%d+%.%d+%.%d+%.%d+):(%d+)$") end
  if not host or tonumber(port) > 65535 then
    return nil, ('expected address:port, such as "0.0.0.0:25" or "[::]:25", got "%s"'):format(text)
  end
  return host .. " " .. port
end

function readers.addresses(value)
  return list_of(value, address, 'expected a list of addresses, such as { "0.0.0.0:25", "[::]:25" }')
end

-- Tables inside lists. The keys are strings; `known` says which there are.
local edit_distance
local function check_keys(value, known, what)
  for key in pairs(value) do
    if not known[key] then
      local best, best_distance = nil, 4
      for name in pairs(known) do
        local distance = edit_distance(tostring(key), name)
        if distance < best_distance then best, best_distance = name, distance end
      end
      return nil, ("%s has no %s%s"):format(what, tostring(key), best and ("; did you mean %s?"):format(best) or "")
    end
  end
  return true
end

local LISTEN_TLS = { off = 0, starttls = 1, required = 2, implicit = 3 }

-- What is left open (tls) is filled in by finish_listeners().
local function listener(value)
  if type(value) ~= "table" then value = { address = value } end
  local ok, why = check_keys(value, { address = true, tls = true }, "a listener")
  if not ok then return nil, why end
  if value.tls ~= nil and not LISTEN_TLS[value.tls] then
    return nil, ('expected tls = "off", "starttls", "required" or "implicit", got %q'):format(tostring(value.tls))
  end
  local where
  where, why = address(value.address)
  if not where then return nil, why end
  return { where = where, tls = value.tls }
end

function readers.listeners(value)
  return list_of(value, listener, 'expected a list of addresses, such as { "0.0.0.0:25", "[::]:25" }')
end

local function certificate(value)
  local expected = 'expected { certificate = "FILE", key = "FILE" }'
  if type(value) ~= "table" then return nil, expected end
  local ok, why = check_keys(value, { certificate = true, key = true }, "a certificate")
  if not ok then return nil, why end
  if not readers.path(value.certificate) or not readers.path(value.key) then return nil, expected end
  return { value.certificate, value.key }
end

function readers.certificates(value)
  return list_of(value, certificate, 'expected a list such as { { certificate = "FILE", key = "FILE" } }')
end

-- Settles what depends on other options: each listener becomes a string for config.c. Returns nil and
-- what is wrong, where something is.
local function finish_listeners(result)
  local certificates = result["tls.certificates"]
  for index, each in ipairs(result.listen) do
    local tls = each.tls or (certificates and "starttls" or "off")
    if tls ~= "off" and not certificates then
      return nil, ("tls = %q needs tls.certificates"):format(tls)
    end
    result.listen[index] = ("%s %d"):format(each.where, LISTEN_TLS[tls])
  end
  return true
end

---------------------------------------------------------------------------------------------------
-- Suggestions and lines

function edit_distance(a, b)
  local previous = {}
  for j = 0, #b do previous[j] = j end
  for i = 1, #a do
    local current = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      current[j] = math.min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost)
    end
    previous = current
  end
  return previous[#b]
end

-- The option that somebody who wrote `name` may have meant: near in spelling, or the right name in
-- the wrong section.
local function suggestion(name)
  local best, best_distance = nil, 4
  local last = name:match("[^%.]+$")
  for _, option in ipairs(options) do
    local distance = edit_distance(name, option.name)
    if option.name:match("[^%.]+$") == last then distance = math.min(distance, 1) end
    if distance < best_distance then best, best_distance = option.name, distance end
  end
  for section in pairs(sections) do
    local distance = edit_distance(name, section)
    if distance < best_distance then best, best_distance = section, distance end
  end
  return best and ("; did you mean %s?"):format(best) or ""
end

-- The line of `key = ` inside the table that begins at or before line `last`: Lua keeps only the line of
-- the whole assignment.
local function line_of_key(lines, section, key, last)
  local inside = false
  local found = last
  for number, line in ipairs(lines) do
    line = line:gsub("%-%-.*", "")
    if line:find("^%s*" .. section .. "%s*=") then inside = true end
    if inside and line:find("%f[%w_]" .. key .. "%s*=") then found = number end
    if inside and number >= last and found ~= last then break end
  end
  return found
end

---------------------------------------------------------------------------------------------------
-- Loading

local function environment(assigned, values, getenv)
  local env = {
    env = function(name, default) return getenv(name) or default end,
    string = string, table = table, math = math, ipairs = ipairs, pairs = pairs,
    tonumber = tonumber, tostring = tostring, type = type, error = error, assert = assert,
  }
  return setmetatable({}, {
    __index = function(_, name)
      if values[name] ~= nil then return values[name] end
      return env[name]
    end,
    __newindex = function(_, name, value)
      values[name] = value
      assigned[#assigned + 1] = { name = tostring(name), line = debug.getinfo(2, "l").currentline }
    end,
  })
end

local function check(name, value, line, result, complain)
  local option = by_name[name]
  if not option then
    return complain(line, name, "no such option" .. suggestion(name))
  end
  local read, why = readers[option.type](value, option)
  if read == nil then return complain(line, name, why) end
  result[name] = read
end

local function check_section(section, value, line, lines, result, complain)
  if type(value) ~= "table" then
    return complain(line, section, "expected a table of options")
  end
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do
    if type(key) ~= "string" then
      complain(line, section, "expected name = value, got a value without a name")
    else
      check(section .. "." .. key, value[key], line_of_key(lines, section, key, line), result, complain)
    end
  end
end

-- Relative paths start at the file's own folder.
local function absolute(path, file)
  if path:sub(1, 1) == "/" then return path end
  local folder = file:match("^(.*)/[^/]*$") or "."
  return folder .. "/" .. path
end

local function fill_defaults(result, machine)
  for _, option in ipairs(options) do
    if result[option.name] == nil and option.machine then
      result[option.name] = machine[option.name]
    elseif result[option.name] == nil and option.default ~= nil then
      result[option.name] = readers[option.type](option.default, option)
    end
  end
end

local function in_order(errors)
  table.sort(errors, function(a, b) return a.line < b.line end)
  local texts = {}
  for index, each in ipairs(errors) do texts[index] = each.text end
  return texts
end

local function line_of(name, assigned)
  for _, assignment in ipairs(assigned) do
    if assignment.name == name then return assignment.line end
  end
  return 1
end

-- text: the file's. machine: the defaults that depend on it. Returns the values by option name; or nil
-- and a list of error lines.
function config.load(path, text, machine)
  local errors = {}
  local function complain(line, name, why)
    errors[#errors + 1] = { line = line, text = ("%s:%d: %s: %s"):format(path, line, name, why) }
  end

  local chunk, syntax = loadstring(text, "=" .. path)
  if not chunk then return nil, { syntax } end
  local assigned, values = {}, {}
  setfenv(chunk, environment(assigned, values, os.getenv))
  local ok, raised = pcall(chunk)
  if not ok then return nil, { tostring(raised) } end

  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  local result = {}
  for _, assignment in ipairs(assigned) do
    local name, value = assignment.name, values[assignment.name]
    if sections[name] then
      check_section(name, value, assignment.line, lines, result, complain)
    else
      check(name, value, assignment.line, result, complain)
    end
  end
  for _, option in ipairs(options) do
    if option.required and values[option.name] == nil then
      complain(#lines, option.name, "missing; for example: domains = { \"example.com\" }")
    end
  end
  if #errors == 0 then
    fill_defaults(result, machine)
    local ok, why = finish_listeners(result)
    if not ok then complain(line_of("listen", assigned), "listen", why) end
  end
  if #errors > 0 then return nil, in_order(errors) end

  for _, option in ipairs(options) do
    local value = result[option.name]
    if option.type == "path" and value then
      result[option.name] = absolute(value, path)
    elseif option.type == "certificates" and value then
      local files = {}
      for _, pair in ipairs(value) do
        files[#files + 1] = absolute(pair[1], path)
        files[#files + 1] = absolute(pair[2], path)
      end
      result[option.name] = files
    end
  end
  return result
end

---------------------------------------------------------------------------------------------------
-- The example

local function literal(value)
  if type(value) == "table" then
    local items, keys = {}, {}
    for index, item in ipairs(value) do items[index] = literal(item) end
    for key in pairs(value) do keys[#keys + 1] = type(key) == "string" and key or nil end
    table.sort(keys)
    for _, key in ipairs(keys) do items[#items + 1] = key .. " = " .. literal(value[key]) end
    return "{ " .. table.concat(items, ", ") .. " }"
  end
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

-- An option that must be set is set; the others stand as comments that show their default.
local function example_of(option, indent)
  local out = {}
  for index = 3, #option do out[#out + 1] = indent .. "-- " .. option[index] end
  local name = option.name:match("[^%.]+$")
  local comma = indent ~= "" and "," or ""
  if option.required then
    out[#out + 1] = ("%s%s = %s%s"):format(indent, name, literal(option.example), comma)
  elseif option.default == nil then
    out[#out + 1] = indent .. "-- Default: " .. (option.machine or "not set") .. "."
    out[#out + 1] = ("%s-- %s = %s%s"):format(indent, name, literal(option.example), comma)
  else
    out[#out + 1] = ("%s-- %s = %s%s"):format(indent, name, literal(option.default), comma)
  end
  return table.concat(out, "\n")
end

function config.example()
  local out = { "-- mxhook.lua: the configuration of mxhook, with every option.",
    "-- A line that is commented out shows the default. Check with: mxhook check --config FILE", "" }
  local open
  for _, option in ipairs(options) do
    local section = option.name:match("^(%w+)%.")
    if section ~= open then
      if open then out[#out] = "}\n" end
      if section then out[#out + 1] = section .. " = {" end
      open = section
    end
    out[#out + 1] = example_of(option, open and "  " or "")
    out[#out + 1] = ""
  end
  out[#out] = "}"
  return table.concat(out, "\n") .. "\n"
end

return config
