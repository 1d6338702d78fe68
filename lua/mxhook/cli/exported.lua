-- Reads what ImprovMX exports: aliases and rules, each with `place`, where it stands in its file.
--
-- aliases   a CSV with the columns alias and forward, or JSON { aliases = { { alias=, forward= } } }
-- rules     JSON { rules = { { type = "alias", "regex" or "cel", rank=, active=, config = { ... } } } }
--
-- Nothing of an item can be relied on but that it is a table; `wrong` says why it cannot be read.

local exported = {}

local SIZE_MAX = 64 * 1024 * 1024

local function read_file(path)
  local file, why
  if path == "-" then file = io.stdin else file, why = io.open(path, "rb") end
  if not file then error(why, 0) end
  local text
  text, why = file:read(SIZE_MAX + 1)
  if path ~= "-" then file:close() end
  if not text and why then error(path .. ": " .. why, 0) end
  text = text or ""
  if #text > SIZE_MAX then error(path .. ": more than 64 MiB, which no export is", 0) end
  if text:find("^\255\254") or text:find("^\254\255") then error(path .. ": is UTF-16; save it as UTF-8", 0) end
  return (text:gsub("^\239\187\191", "")) -- a byte order mark
end

---------------------------------------------------------------------------------------------------
-- CSV (RFC 4180); lines end in CRLF, LF or CR

-- A field that begins with the quote at `at`: its text, and where it ends; nil where it has no end.
local function quoted_field(text, at)
  local pieces = {}
  repeat
    local piece, stop = text:match('^([^"]*)"()', at + 1)
    if not piece then return nil end
    pieces[#pieces + 1] = piece
    at = stop
  until text:sub(at, at) ~= '"'
  return table.concat(pieces, '"'), at
end

-- One record that begins at `at`: its fields, and where the next begins.
local function read_record(text, at, separator)
  local unquoted = "^([^\r\n" .. separator .. "]*)()"
  local record = {}
  while true do
    local field, after
    if text:sub(at, at) == '"' then field, after = quoted_field(text, at) else field, after = text:match(unquoted, at) end
    if not field then return nil end
    record[#record + 1] = field
    local follows = text:sub(after, after)
    if follows ~= separator then
      if not follows:find("^[\r\n]?$") then record.wrong = "text follows a closing quote" end
      return record, text:match("^[^\r\n]*\r?\n?()", after)
    end
    at = after + 1
  end
end

local function count_lines(text, from, to)
  local lines = 0
  for at, last in text:sub(from, to - 1):gmatch("()([\r\n])") do
    if last == "\r" or text:sub(from + at - 2, from + at - 2) ~= "\r" then lines = lines + 1 end
  end
  return lines
end

local function read_csv(path, text)
  local first = text:match("^[^\r\n]*")
  local separator = first:find(",", 1, true) and "," or first:match("[;\t]") or ","
  local records, at, line = {}, 1, 1
  while at <= #text do
    local record, after = read_record(text, at, separator)
    if not record then error(("%s: line %d: a quoted field has no end"):format(path, line), 0) end
    record.place = "line " .. line
    if #record > 1 or record[1]:find("%S") then records[#records + 1] = record end
    line = line + count_lines(text, at, after)
    at = after
  end
  return records
end

-- By the names that columns may have: what they are to us. false: of no use.
local COLUMNS = {
  alias = "alias", domain = "domain", forward = "forward", destination = "forward", destinations = "forward",
  active = "active", enabled = "active", is_active = "active", is_enabled = "active",
  id = false, created = false, created_at = false, updated = false, updated_at = false,
}
local SWITCHES = {
  ["true"] = true, ["1"] = true, yes = true, on = true, active = true, enabled = true, [""] = true,
  ["false"] = false, ["0"] = false, no = false, off = false, inactive = false, disabled = false,
}

-- What each column is, and the names of those that are not known; nil where the record is no header.
local function columns_of(header)
  local columns, unknown, found = {}, {}, {}
  for index, name in ipairs(header) do
    local kind = COLUMNS[name:lower():match("^%s*(.-)%s*$")]
    if kind == nil then unknown[#unknown + 1] = name end
    if kind and not found[kind] then
      found[kind] = true
      columns[index] = kind
    end
  end
  if found.alias and found.forward then return columns, unknown end
end

local function alias_of(record, columns, count)
  local alias = { place = record.place, wrong = record.wrong }
  for index, kind in pairs(columns) do alias[kind] = record[index] end
  if #record > count then
    alias.wrong = alias.wrong or "it has more fields than there are columns: several destinations stand in quotes"
  end
  if alias.active then
    local switch = SWITCHES[alias.active:lower():match("^%s*(.-)%s*$")]
    if switch == nil then
      alias.wrong = alias.wrong or ("whether it is switched on cannot be told from '%s'"):format(alias.active)
    end
    alias.active = switch
  end
  return alias
end

local function aliases_of_csv(path, text)
  local records = read_csv(path, text)
  local columns, unknown = columns_of(records[1] or {})
  local count = 2
  if columns then count = #table.remove(records, 1) else columns, unknown = { "alias", "forward" }, {} end
  local aliases = {}
  for index, record in ipairs(records) do aliases[index] = alias_of(record, columns, count) end
  local notes = {}
  for index, name in ipairs(unknown) do notes[index] = ("the column '%s' is not known, and left out"):format(name) end
  return { aliases = aliases, rules = {}, notes = notes }
end

---------------------------------------------------------------------------------------------------
-- JSON

-- The list `name` of an answer of the API, its items as tables with their place.
local function list_of(path, value, name, one)
  local list = value[name]
  if list == nil or list == require("cjson").null then return {} end
  if type(list) ~= "table" or (next(list) ~= nil and list[1] == nil) then
    error(("%s: \"%s\" is no list"):format(path, name), 0)
  end
  local items = {}
  for index, item in ipairs(list) do
    if type(item) ~= "table" then item = { wrong = "it is no object" } end
    item.place = ("%s %d"):format(one, index)
    items[index] = item
  end
  return items
end

local function is_off(alias)
  for name, kind in pairs(COLUMNS) do
    if kind == "active" and alias[name] == false then return true end
  end
end

local function exported_of_json(path, text)
  local json = require("cjson")
  local ok, value = pcall(json.decode, text)
  if not ok then error(("%s: not JSON: %s"):format(path, value), 0) end
  if value.success == false then
    error(("%s: the API answered with an error: %s"):format(path, json.encode(value.errors or value.error or json.null)), 0)
  end
  if value[1] ~= nil then -- a list alone
    local first = value[1]
    value = { [type(first) == "table" and first.type and "rules" or "aliases"] = value }
  end
  local found = {
    aliases = list_of(path, value, "aliases", "alias"), rules = list_of(path, value, "rules", "rule"), notes = {},
  }
  for _, alias in ipairs(found.aliases) do alias.active = not is_off(alias) end
  local total, count = tonumber(value.total), math.max(#found.aliases, #found.rules)
  found.total = total and total > count and total or nil
  return found
end

-- Of a file, or "-" for standard input: { aliases=, rules=, notes = texts that are of the whole file, total = how many there
-- are, where the file has some of them only }. Raises what cannot be read, with the file's name.
function exported.read(path)
  local text = read_file(path)
  local found = text:find("^%s*[{%[]") and exported_of_json(path, text) or aliases_of_csv(path, text)
  if #found.aliases + #found.rules == 0 then error(path .. ": neither aliases nor rules are in it", 0) end
  return found
end

return exported
