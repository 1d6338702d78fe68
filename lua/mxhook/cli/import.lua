-- `mxhook import improvmx`: aliases and rules of that service, as rules of ours.
--
-- aliases   a CSV with the columns alias and forward, or JSON { aliases = { { alias=, forward= } } }
-- rules     JSON { rules = { { type = "alias", "regex" or "cel", rank=, active=, config = { ... } } } }; in the order of rank,
--           and the first that matches decides, as rules of ours do
--
-- What cannot be turned is a comment in the file that is written, and a line of the report.

local import = {}

local FIELDS = { subject = true, body = true, sender = true, recipient = true }

---------------------------------------------------------------------------------------------------
-- Reading

local function read_file(path)
  local file, why = path == "-" and io.stdin or io.open(path, "rb")
  if not file then error(why, 0) end
  local text
  text, why = file:read("*a")
  if not text then error(path .. ": " .. (why or "cannot be read"), 0) end
  return (text:gsub("^\239\187\191", "")) -- a byte order mark
end

-- One record of CSV (RFC 4180) that begins at `at`: its fields, and where the next begins.
local function read_record(text, at)
  local fields = {}
  while true do
    local field, after
    if text:sub(at, at) == '"' then
      local pieces = {}
      repeat
        local piece, stop = text:match('^([^"]*)"()', at + 1)
        if not piece then error("the CSV ends within quotes", 0) end
        pieces[#pieces + 1] = piece
        at = stop
      until text:sub(at, at) ~= '"'
      field, after = table.concat(pieces, '"'), at
    else
      field, after = text:match("^([^,;\r\n]*)()", at)
    end
    fields[#fields + 1] = field
    local separator = text:sub(after, after)
    if separator ~= "," and separator ~= ";" then
      return fields, text:match("^[^\n]*\n?()", after)
    end
    at = after + 1
  end
end

local function read_csv(text)
  local records, at, number = {}, 1, 0
  while at <= #text do
    local fields
    fields, at = read_record(text, at)
    number = number + 1
    if #fields > 1 or fields[1] ~= "" then
      fields.place = "record " .. number
      records[#records + 1] = fields
    end
  end
  return records
end

local function columns_of(header)
  local columns = {}
  for index, name in ipairs(header) do columns[name:lower():match("^%s*(.-)%s*$")] = index end
  return columns
end

local function aliases_of_csv(text)
  local records = read_csv(text)
  local columns = records[1] and columns_of(records[1]) or {}
  local alias, forward = columns.alias, columns.forward or columns.destination or columns.destinations
  if not alias or not forward then
    alias, forward = 1, 2 -- without a header
  else
    table.remove(records, 1)
  end
  local aliases = {}
  for index, record in ipairs(records) do
    local domain = columns.domain and record[columns.domain]
    aliases[index] = { alias = record[alias], forward = record[forward], domain = domain, place = record.place }
  end
  return aliases
end

-- aliases, rules
local function read_exported(text)
  if not text:find("^%s*[{%[]") then return aliases_of_csv(text), {} end
  local ok, value = pcall(require("cjson").decode, text)
  if not ok then error("not JSON: " .. tostring(value), 0) end
  local list = value[1] and value or nil
  local first = list and list[1] or {}
  local aliases = value.aliases or (list and first.alias and not first.type and list) or {}
  local rules = value.rules or (list and first.type and list) or {}
  for index, alias in ipairs(aliases) do alias.place = "alias " .. index end
  for index, rule in ipairs(rules) do rule.place = "rule " .. index end
  return aliases, rules
end

---------------------------------------------------------------------------------------------------
-- Turning

local function quoted(text)
  return (("%q"):format(text):gsub("\\\n", "\\n"):gsub("\r", "\\r"):gsub("%z", "\\0"))
end

local function trim(text)
  return type(text) == "string" and text:match("^%s*(.-)%s*$") or nil
end

local URL = "^https?://[%w%-._~:/?#%[%]@!$&'()*+;=%%]+$"
local ADDRESS = "^[^%s@,]+@[%w%-._\128-\255]+$"

-- What `forward` names, as rules write it; or nil and what is wrong.
local function destination(forward)
  if type(forward) == "table" then
    for index, each in ipairs(forward) do forward[index] = tostring(each) end
    forward = table.concat(forward, ",")
  end
  forward = trim(forward)
  if not forward or forward == "" then return nil, "it has no destination" end
  if forward:lower() == "null" then return "null" end
  local parts = {}
  for part in forward:gmatch("[^,]+") do
    part = trim(part)
    if not part:find(URL) and not part:find(ADDRESS) then
      return nil, ("'%s' is no URL and no e-mail address"):format(part)
    end
    parts[#parts + 1] = part
  end
  return table.concat(parts, ", ")
end

-- The key of an alias: a name, "*", a name with "*" at its end, or /a pattern/.
local function key_of(alias, domain)
  alias = trim(alias)
  if not alias or alias == "" then return nil, "it has no alias" end
  if alias:find("^/.*/$") then return alias end
  local name, host = alias:match("^([^@]*)@(.+)$")
  name, host = name or alias, host or domain
  if not host or host == "" then return nil, "it names no domain: give --domain" end
  if name:find("%s") then return nil, "its name has a space in it" end
  if name ~= "*" and name:find("*", 1, true) then
    -- a pattern of ours: the wildcard of an alias stands alone
    local pattern = (name .. "@" .. host):gsub("[%^%$%(%)%.%[%]%+%-%?{}|\\/]", "\\%0"):gsub("%*", "[^@]*")
    return "/^" .. pattern .. "$/"
  end
  return name .. "@" .. host
end

local function fields_of(config)
  local named = config.scopes or config.fields or config.scope or {}
  if type(named) == "string" then named = { named } end
  local fields = {}
  for _, name in ipairs(named) do
    if not FIELDS[name] then return nil, ("nothing is known of the field '%s'"):format(tostring(name)) end
    fields[#fields + 1] = name
  end
  if #fields == 0 then return nil, "it names no field" end
  return fields
end

-- By type: the text of a rule, or nil and what is wrong.
local turn = {}

function turn.alias(config, to, domain)
  local key, why = key_of(config.alias or config.recipient, domain)
  return key and ("  alias { [%s] = %s },"):format(quoted(key), quoted(to)), why
end

function turn.regex(config, to)
  local pattern = config.regex or config.pattern
  if type(pattern) ~= "string" then return nil, "it has no pattern" end
  local fields, why = fields_of(config)
  if not fields then return nil, why end
  local parts = {}
  for index, name in ipairs(fields) do parts[index] = name .. " = " .. quoted(pattern) end
  return ("  route.regex { %s, to = %s },"):format(table.concat(parts, ", "), quoted(to))
end

function turn.cel(config, to)
  local expression = config.expression or config.cel or config.code
  if type(expression) ~= "string" then return nil, "it has no expression" end
  return ("  route.cel { when = %s, to = %s },"):format(quoted(expression), quoted(to))
end

local function turn_rule(rule, domain)
  local config = type(rule.config) == "table" and rule.config or rule
  local by_type = turn[rule.type]
  if not by_type then return nil, ("nothing is known of the type '%s'"):format(tostring(rule.type)) end
  local to, why = destination(config.forward or rule.forward)
  if not to then return nil, why end
  return by_type(config, to, domain)
end

---------------------------------------------------------------------------------------------------
-- Writing

local function new_report()
  return { lines = {}, turned = 0 }
end

local function look(report, what, why, out)
  report.lines[#report.lines + 1] = ("%s: %s"):format(what, why)
  out[#out + 1] = ("  -- left out: %s: %s"):format(what, why):gsub("[%c]", " ")
end

local function write_aliases(aliases, domain, report, out)
  local seen = {}
  out[#out + 1] = "  alias {"
  for _, each in ipairs(aliases) do
    local key, why = key_of(each.alias, each.domain or domain)
    local to
    if key then to, why = destination(each.forward) end
    if to and seen[key:lower()] then to, why = nil, "it stands there twice" end
    if to then
      seen[key:lower()] = true
      report.turned = report.turned + 1
      out[#out + 1] = ("    [%s] = %s,"):format(quoted(key), quoted(to))
    else
      look(report, ("%s (%s)"):format(each.place, tostring(each.alias)), why, out)
    end
  end
  out[#out + 1] = "  },"
end

local function write_rules(rules, domain, report, out)
  table.sort(rules, function(a, b) return (tonumber(a.rank) or math.huge) < (tonumber(b.rank) or math.huge) end)
  for _, rule in ipairs(rules) do
    local text, why = turn_rule(rule, domain)
    if rule.active == false then text, why = nil, "it is switched off" end
    if text then
      report.turned = report.turned + 1
      out[#out + 1] = text
    else
      look(report, ("%s (%s)"):format(rule.place, tostring(rule.type)), why, out)
    end
  end
end

function import.run(arguments, make_folder)
  local aliases, rules = {}, {}
  for number = 1, math.huge do
    local path = arguments[tostring(number)]
    if not path then break end
    local some_aliases, some_rules = read_exported(read_file(path))
    if #some_aliases + #some_rules == 0 then error(path .. ": neither aliases nor rules are in it", 0) end
    for list, some in pairs { [aliases] = some_aliases, [rules] = some_rules } do
      for _, one in ipairs(some) do
        if arguments["2"] then one.place = path .. ": " .. one.place end
        list[#list + 1] = one
      end
    end
  end
  local report, out = new_report(), { "-- Made by `mxhook import improvmx`. Check with: mxhook check, mxhook route", "return {" }
  write_rules(rules, arguments.domain, report, out)
  if #aliases > 0 then write_aliases(aliases, arguments.domain, report, out) end
  out[#out + 1] = "}"
  make_folder(arguments.to)
  local path = arguments.to .. "/50-improvmx.lua"
  local there = io.open(path)
  if there then
    there:close()
    error(path .. ": is there already; move it away first", 0)
  end
  local file, why = io.open(path, "w")
  if not file then error(why, 0) end
  local ok
  ok, why = file:write(table.concat(out, "\n"), "\n")
  if not ok or not file:close() then error(path .. ": " .. (why or "cannot be written"), 0) end
  print(("%s: %d turned, %d to look at"):format(path, report.turned, #report.lines))
  for _, line in ipairs(report.lines) do print("  " .. line) end
  return #report.lines == 0 and 0 or 1
end

return import
