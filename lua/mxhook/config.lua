-- The configuration: the file is run, and each value read as its option in options.lua says.
--
-- config.c runs load(path, text, machine) or defaults(directory, machine), and copies the values into
-- struct config.

local nearest = require "mxhook.nearest"
local options = require "mxhook.options"
local readers = require "mxhook.readers"

for _, subject in ipairs { "domain", "listener", "forward", "admin", "source" } do
  require("mxhook." .. subject .. "_readers")
end

local config = {}

local by_name, sections = {}, {}
for _, option in ipairs(options) do
  option.name, option.type = option[1], option[2]
  by_name[option.name] = option
  local section = option.name:match("^(%w+)%.")
  if section then sections[section] = true end
end

---------------------------------------------------------------------------------------------------
-- Suggestions and lines

-- The option that somebody who wrote `name` may have meant: the right name in the wrong section, or near
-- in spelling.
local function suggestion(name)
  local last = name:match("[^%.]+$")
  local names = {}
  for _, option in ipairs(options) do
    if option.name:match("[^%.]+$") == last then return ("; did you mean %s?"):format(option.name) end
    names[#names + 1] = option.name
  end
  for section in pairs(sections) do names[#names + 1] = section end
  return nearest(name, names, "; did you mean %s?")
end

local function begins(line, section)
  return line:find("^%s*" .. section .. "%s*=") ~= nil
end

-- The line of `key = ` inside the table of the section that ends at line `last`: Lua keeps only the line where the whole
-- assignment ends.
local function line_of_key(lines, section, key, last)
  local written = "%f[%w_]" .. key:gsub("%p", "%%%0") .. "[\"']?%s*%]?%s*="
  local found
  for number, line in ipairs(lines) do
    if number > last then break end
    line = line:gsub("%-%-.*", "")
    if begins(line, section) then found = last end
    if found and line:find(written) then found = number end
  end
  return found or last
end

-- The first line from that of the section on where `text` stands.
local function line_of_text(lines, section, text, default)
  local inside = false
  for number, line in ipairs(lines) do
    line = line:gsub("%-%-.*", "")
    if begins(line, section) then inside = true end
    if inside and line:find(text, 1, true) then return number end
  end
  return default
end

---------------------------------------------------------------------------------------------------
-- Loading

-- assigned: the names in their order, and for each the line of its last assignment.
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
      if not assigned[name] then assigned[#assigned + 1] = name end
      values[name] = value
      assigned[name] = debug.getinfo(2, "l").currentline
    end,
  })
end

local function check(name, value, line, lines, result, complain)
  local option = by_name[name]
  if not option then
    return complain(line, name, "no such option" .. suggestion(name))
  end
  readers.references = {}
  local read, why, entry = readers.by_type[option.type](value, option)
  if read == nil then return complain(entry and line_of_key(lines, name, entry, line) or line, name, why) end
  result[name] = read
  for _, text in ipairs(readers.references) do
    local written = text:gsub("^%a+:", "") -- { env = "NAME" } has no colon
    local found = line_of_text(lines, name:match("^[^.]+"), written, line)
    local variable = text:match("^env:(.*)")
    result.references[#result.references + 1] = { line = found, option = name, text = text,
      meant = variable and nearest(variable, readers.environment, " (did you mean %s?)") or "" }
  end
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
      check(section .. "." .. key, value[key], line_of_key(lines, section, key, line), lines, result, complain)
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
      result[option.name] = readers.by_type[option.type](option.default, option)
    end
  end
end

local function in_order(errors)
  table.sort(errors, function(a, b) return a.line < b.line end)
  local texts = {}
  for index, each in ipairs(errors) do texts[index] = each.text end
  return texts
end

local function take_from(machine)
  readers.is_network, readers.domain_to_ascii = machine.is_network, machine.domain_to_ascii
  readers.duration_ms, readers.byte_units = machine.duration_ms, machine.byte_units
  readers.environment = machine.environment
  readers.destination_fields, readers.check_destination = machine.destination_fields(), machine.check_destination
end

-- text: the file's. machine: the defaults that depend on it, and the functions of C that readers.lua names. Returns the
-- values by option name; or nil and a list of error lines.
function config.load(path, text, machine)
  take_from(machine)
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
  local result = { references = {} }
  for _, name in ipairs(assigned) do
    local read = sections[name] and check_section or check
    read(name, values[name], assigned[name], lines, result, complain)
  end
  for _, option in ipairs(options) do
    if option.required and values[option.name] == nil then
      complain(#lines, option.name, "missing; for example: domains = { \"example.com\" }")
    end
  end
  if #errors == 0 then
    fill_defaults(result, machine)
    local ok, why = readers.finish_listeners(result)
    if not ok then complain(assigned.listen, "listen", why) end
    ok, why = readers.finish_admin(result)
    if not ok then
      complain(line_of_key(lines, "admin", "listen", assigned.admin), "admin.listen", why)
    end
    local name
    ok, name, why = readers.finish_forward(result)
    if not ok then
      complain(line_of_key(lines, "forward", name:match("[^%.]+$"), assigned.forward), name, why)
    end
  end
  if #errors == 0 and result["deliver.proxy"] and result["deliver.deny_private"] then
    complain(line_of_key(lines, "deliver", "deny_private", assigned.deliver), "deliver.deny_private",
      "not together with deliver.proxy: only the proxy learns the address; deny it there")
  end
  if #errors > 0 then return nil, in_order(errors) end

  for _, option in ipairs(options) do
    local value = result[option.name]
    if option.type == "path" and value then
      result[option.name] = absolute(value, path)
    elseif option.type == "paths" and value then
      local list = {}
      for index, item in ipairs(value) do list[index] = absolute(item, path) end
      result[option.name] = list
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

-- The values where there is no file: the defaults, and the rules of this folder. No domain is served.
function config.defaults(directory, machine)
  take_from(machine)
  local result = { references = {}, domains = {}, ["rules.directory"] = directory }
  fill_defaults(result, machine)
  readers.finish_listeners(result)
  readers.finish_forward(result)
  return result
end

return config
