-- The options of the configuration for people: as the example that `mxhook config` prints, and as the list in mxhook.lua(5).

local options = require "mxhook.options"

local config_text = {}

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
  local name = option[1]:match("[^%.]+$")
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

-- An example configuration.
function config_text.example()
  local out = { "-- mxhook.lua: the configuration of mxhook, with every option.",
    "-- A line that is commented out shows the default. Check with: mxhook check --config FILE", "" }
  local open
  for _, option in ipairs(options) do
    local section = option[1]:match("^(%w+)%.")
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


---------------------------------------------------------------------------------------------------
-- The manual

local TYPES = {
  addresses = "list of address:port", admin_listeners = "list of addresses", admin_users = "table of names and tables", admin_tokens = "list of tables",
  bodies = "word", log_format = "word", boolean = "true or false", bytes = "size", certificates = "list of tables",
  destination = "URL or table", dkim = "table", dnsbl = "list of DNS zones", domain = "domain", domains = "list of domains",
  duration = "duration", durations = "list of durations", forward_tls = "word", integer = "number", level = "word", names = "list of names",
  listeners = "list of addresses or tables", networks = "list of networks", globs = "list of patterns", path = "path", paths = "list of paths", secret = "text, env:NAME or file:/path",
  lookups = "table of names and tables", databases = "table of names and tables", profiles = "table of names and tables",
  conninfo = "conninfo", urls = "URL or list of URLs", texts = "list of strings", scan_failure = "word",
  smarthost = "URL", string = "text", tls_version = "version", users = "table of names and hashes",
}

local DURATIONS = { { 86400e3, "d" }, { 3600e3, "h" }, { 60e3, "m" }, { 1000, "s" }, { 1, "ms" } }
local SIZES = { { 2 ^ 40, " TiB" }, { 2 ^ 30, " GiB" }, { 2 ^ 20, " MiB" }, { 2 ^ 10, " KiB" }, { 1, "" } }
local UNITS = { duration = DURATIONS, durations = DURATIONS, bytes = SIZES }

local function with_unit(number, units)
  if number == 0 then return "0" end
  for _, unit in ipairs(units or {}) do
    if number % unit[1] == 0 then return ("%d%s"):format(number / unit[1], unit[2]) end
  end
  return ("%d"):format(number)
end

-- Text that troff takes as it stands: \ is its own sign anywhere, . and ' where a line begins.
local function escape(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("^[.']", "\\&%0"))
end

-- Text that is to look as it would be typed.
local function typed(text)
  return (escape(text):gsub("'", "\\(aq"):gsub("`", "\\(ga"):gsub("~", "\\(ti"):gsub("%^", "\\(ha"))
end

-- The lines that explain an option: sentences on lines of their own, indented lines (lists of words) as they stand.
local function explanation(option, out)
  local prose, literal_lines = {}, {}
  local function end_prose()
    local text = table.concat(prose, "\n"):gsub("([^%.])\n", "%1 "):gsub("([%.%?!]%)?) +(%u)", "%1\n%2")
    for line in text:gmatch("[^\n]+") do out[#out + 1] = escape(line) end
    prose = {}
  end
  local function end_literal()
    if #literal_lines == 0 then return end
    out[#out + 1] = ".Bd -literal -offset indent -compact"
    for _, line in ipairs(literal_lines) do out[#out + 1] = typed(line) end
    out[#out + 1] = ".Ed"
    literal_lines = {}
  end
  for index = 3, #option do
    local line = option[index]
    if line:sub(1, 2) == "  " then
      end_prose()
      literal_lines[#literal_lines + 1] = line:sub(3)
    else
      end_literal()
      prose[#prose + 1] = line
    end
  end
  end_prose()
  end_literal()
end

local function quoted(text)
  return '"' .. typed(text):gsub('"', "\\(dq") .. '"'
end

local function manual_of(option, out)
  local kind = TYPES[option[2]]
  if option.min and option.max then
    local units = UNITS[option[2]]
    kind = ("%s, %s to %s"):format(kind, with_unit(option.min, units), with_unit(option.max, units))
  end
  out[#out + 1] = (".It Va %s Pq %s"):format(option[1], escape(kind))
  explanation(option, out)
  if option.required then
    out[#out + 1] = "Must be set, such as"
    out[#out + 1] = ".Ql " .. quoted(literal(option.example)) .. " ."
  elseif option.default == nil then
    out[#out + 1] = escape("Default: " .. (option.machine or "not set") .. "; for example")
    out[#out + 1] = ".Ql " .. quoted(literal(option.example)) .. " ."
  else
    out[#out + 1] = "Default:"
    out[#out + 1] = ".Ql " .. quoted(literal(option.default)) .. " ."
  end
end

-- A list of all options in mdoc(7).
function config_text.mdoc()
  local out = { ".Bl -tag -width Ds" }
  for _, option in ipairs(options) do
    manual_of(option, out)
  end
  out[#out + 1] = ".El"
  return table.concat(out, "\n") .. "\n"
end

return config_text
