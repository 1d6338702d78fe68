-- `mxhook import improvmx`: aliases and rules of that service, as rules of ours. Its rules are asked in the order of their rank
-- and the first that matches decides, as rules of ours do.
--
-- What cannot be turned is a comment in the file that is written, and a line of the report.

local arguments_of = require "mxhook.cli.arguments"
local exported = require "mxhook.cli.exported"
local utf8 = require "mxhook.utf8"

local import = {}

local FIELDS = { subject = true, body = true, sender = true, recipient = true }

---------------------------------------------------------------------------------------------------
-- Turning

local function quoted(text)
  return (("%q"):format(text):gsub("\\\n", "\\n"):gsub("\r", "\\r"):gsub("%z", "\\0"))
end

local function trim(text)
  return type(text) == "string" and text:match("^%s*(.-)%s*$") or nil
end

local URL = "^https?://[%w%-._~:/?#%[%]@!$&'()*+;=%%]+$"
local ADDRESS = "^[^%s%c@,]+@[%w%-._\128-\255]+$"

-- What `forward` names, as rules write it; or nil and what is wrong.
local function destination(forward)
  if type(forward) == "table" then
    for _, each in ipairs(forward) do
      if type(each) ~= "string" then return nil, "a destination in its list is no text" end
    end
    forward = table.concat(forward, ",")
  end
  forward = trim(forward)
  if not forward or forward == "" then return nil, "it has no destination" end
  if forward:lower() == "null" then return "null" end
  local parts = {}
  for part in forward:gmatch("[^,]+") do
    part = trim(part)
    if part ~= "" and not part:find(URL) and not (part:find(ADDRESS) and utf8.is_valid(part)) then
      return nil, ("'%s' is no URL and no e-mail address"):format(part)
    end
    parts[#parts + 1] = part ~= "" and part or nil
  end
  if #parts == 0 then return nil, "it has no destination" end
  return table.concat(parts, ", ")
end

local function escaped(text)
  return (text:gsub("[%^%$%(%)%.%[%]%+%-%?{}|\\/]", "\\%0"))
end

-- A name that is /a pattern/ is one of the service's domain; ours are of whole addresses.
local function pattern_of(pattern, host)
  local anchored, inner, ends = pattern:match("^(^?)(.-)(%$?)$")
  if ends ~= "" and inner:find("\\$") then inner, ends = inner .. ends, "" end -- "\\$" is a dollar
  if inner:gsub("\\.", ""):gsub("%[%^", ""):find("[%^%$@]") then
    return nil, "its pattern has '^', '$' or '@' within it: write it by hand, for the whole address"
  end
  local before, after = anchored == "" and "[^@]*" or "", ends == "" and "[^@]*" or ""
  return ("/^%s(?:%s)%s@%s$/"):format(before, inner, after, escaped(host))
end

-- The key of an alias: a name, "*", a name with "*" in it, or /a pattern/.
local function key_of(alias, domain)
  alias = trim(alias)
  if not alias or alias == "" then return nil, "it has no alias" end
  if not utf8.is_valid(alias) then return nil, "its name is not UTF-8" end
  local pattern = alias:match("^/(.*)/$")
  local name, host = alias, nil
  if not pattern then name, host = alias:match("^([^@]*)@(.+)$") end
  name, host = name or alias, trim(host or domain)
  if not host or host == "" then return nil, "it names no domain: give --domain" end
  if not arguments_of.is_domain(host) then return nil, ("'%s' is no domain"):format(host) end
  if pattern then return pattern_of(pattern, host) end
  if name:find("%s") then return nil, "its name has a space in it" end
  if name == "" or name:find('[%c"(),:;<>@%[%]\\]') then return nil, "its name is none that an address has" end
  if name ~= "*" and name:find("*", 1, true) then
    -- a pattern of ours: the wildcard of an alias stands alone
    return "/^" .. escaped(name):gsub("%*", "[^@]*") .. "@" .. escaped(host) .. "$/"
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
  if not utf8.is_valid(pattern) then return nil, "its pattern is not UTF-8" end
  local fields, why = fields_of(config)
  if not fields then return nil, why end
  local parts = {}
  for index, name in ipairs(fields) do parts[index] = name .. " = " .. quoted(pattern) end
  return ("  route.regex { %s, to = %s },"):format(table.concat(parts, ", "), quoted(to))
end

function turn.cel(config, to)
  local expression = config.expression or config.cel or config.code
  if type(expression) ~= "string" then return nil, "it has no expression" end
  if not utf8.is_valid(expression) then return nil, "its expression is not UTF-8" end
  return ("  route.cel { when = %s, to = %s },"):format(quoted(expression), quoted(to))
end

local function turn_rule(rule, domain)
  if rule.wrong then return nil, rule.wrong end
  local config = type(rule.config) == "table" and rule.config or rule
  local by_type = turn[rule.type]
  if type(rule.type) ~= "string" then return nil, "it has no type" end
  if not by_type then return nil, ("nothing is known of the type '%s'"):format(rule.type) end
  if rule.active == false then return nil, "it is switched off" end
  local to, why = destination(config.forward or rule.forward)
  if not to then return nil, why end
  return by_type(config, to, domain)
end

---------------------------------------------------------------------------------------------------
-- Writing

-- From so many aliases on they stand in a file of their own, which no worker holds a copy of and Lua's limits do not bound.
local ALIASES_MAX = 10000

local function new_report()
  return { lines = {}, turned = 0 }
end

-- What came with a file, as a terminal and a comment may have it.
local function harmless(text)
  text = text:gsub("%c", " ")
  return utf8.is_valid(text) and text or (text:gsub("[\128-\255]", "?"))
end

-- A name that tells which one it is: of an alias its own, of a rule its type.
local function named(item, name)
  return type(name) == "string" and ("%s (%s)"):format(item.place, name) or item.place
end

local function look(report, what, why)
  local line = harmless(("%s: %s"):format(what, why))
  report.lines[#report.lines + 1] = line
  return "-- left out: " .. line
end

-- Of each alias its key and destinations; in their order, with comments for what was left out.
local function turn_aliases(aliases, domain, report)
  local turned, comments, seen = {}, {}, {}
  for _, each in ipairs(aliases) do
    local key, to, why = nil, nil, each.wrong
    if not why and each.active == false then why = "it is switched off" end
    if not why then key, why = key_of(each.alias, each.domain or domain) end
    if key then to, why = destination(each.forward) end
    if to and seen[key:lower()] then to, why = nil, ("%s has it already"):format(seen[key:lower()]) end
    if to then
      seen[key:lower()] = each.place
      report.turned = report.turned + 1
      turned[#turned + 1] = { key, to }
    else
      comments[#comments + 1] = look(report, named(each, each.alias), why)
    end
  end
  return turned, comments
end

local function csv_field(text)
  return text:find('[",\r\n]') and '"' .. text:gsub('"', '""') .. '"' or text
end

-- Adds the aliases to the lines of `out`. Returns the text of a file beside it, where there are too many.
local function write_aliases(turned, comments, out)
  for _, comment in ipairs(comments) do out[#out + 1] = "  " .. comment end
  local lines = {}
  if #turned <= ALIASES_MAX then
    out[#out + 1] = "  alias {"
    for _, each in ipairs(turned) do out[#out + 1] = ("    [%s] = %s,"):format(quoted(each[1]), quoted(each[2])) end
    out[#out + 1] = "  },"
    return
  end
  out[#out + 1] = '  alias.file("50-improvmx.csv"),'
  for index, each in ipairs(turned) do lines[index] = csv_field(each[1]) .. "," .. csv_field(each[2]) end
  return table.concat(lines, "\n") .. "\n"
end

local function rank_of(rule)
  local rank = tonumber(rule.rank)
  return rank and rank == rank and rank or math.huge -- what has none, or NaN, goes last
end

local function write_rules(rules, domain, report, out)
  local order = {}
  for index, rule in ipairs(rules) do order[index] = { rule = rule, rank = rank_of(rule), index = index } end
  table.sort(order, function(a, b)
    if a.rank ~= b.rank then return a.rank < b.rank end
    return a.index < b.index
  end)
  for _, each in ipairs(order) do
    local text, why = turn_rule(each.rule, domain)
    if text then report.turned = report.turned + 1 end
    out[#out + 1] = text or "  " .. look(report, named(each.rule, each.rule.type), why)
  end
end

-- All files together. Aliases and rules that came by pages are told of, where some are missing.
local function read_all(arguments, report)
  local all, total = { aliases = {}, rules = {} }, { aliases = 0, rules = 0 }
  for number = 1, math.huge do
    local path = arguments[tostring(number)]
    if not path then break end
    local found = exported.read(path)
    for _, note in ipairs(found.notes) do look(report, path, note) end
    for _, kind in ipairs { "aliases", "rules" } do
      if #found[kind] > 0 then total[kind] = math.max(total[kind], found.total or 0) end
      for _, one in ipairs(found[kind]) do
        if arguments["2"] then one.place = path .. ": " .. one.place end
        table.insert(all[kind], one)
      end
    end
  end
  for kind, count in pairs(total) do
    if count > #all[kind] then
      look(report, kind, ("%d of %d are here: get the other pages too (?page=2 and so on)"):format(#all[kind], count))
    end
  end
  return all
end

local function must_not_exist(path)
  local there = io.open(path)
  if there then
    there:close()
    error(path .. ": is there already; move it away first", 0)
  end
end

local function write_file(path, text)
  local file, why = io.open(path, "w")
  if not file then error(why, 0) end
  local ok
  ok, why = file:write(text)
  if not ok or not file:close() then error(path .. ": " .. (why or "cannot be written"), 0) end
end

function import.run(arguments, make_folder)
  if arguments.domain then arguments_of.check_domain(arguments.domain) end
  local report = new_report()
  local out = { "-- Made by `mxhook import improvmx`. Check with: mxhook check, mxhook route", "return {" }
  local all = read_all(arguments, report)
  local path, list_path = arguments.to .. "/50-improvmx.lua", arguments.to .. "/50-improvmx.csv"
  write_rules(all.rules, arguments.domain, report, out)
  local turned, comments = turn_aliases(all.aliases, arguments.domain, report)
  local list
  if #all.aliases > 0 then list = write_aliases(turned, comments, out) end
  out[#out + 1] = "}"
  if report.turned > 0 then
    make_folder(arguments.to)
    must_not_exist(path)
    if list then
      must_not_exist(list_path)
      write_file(list_path, list)
    end
    write_file(path, table.concat(out, "\n") .. "\n")
  end
  print(("%s: %d turned, %d to look at%s"):format(path, report.turned, #report.lines,
    report.turned == 0 and "; not written" or ""))
  for _, line in ipairs(report.lines) do print("  " .. line) end
  return #report.lines == 0 and 0 or 1
end

return import
