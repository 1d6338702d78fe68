--- CEL's functions of strings: the standard ones and the strings extension. Places and sizes count
-- characters, not bytes.

local ffi = require "ffi"
local convert = require "mxhook.cel.convert"
local core = require "mxhook.core"
local re2 = require "mxhook.cel.re2"
local rex = require "mxhook.rex"
local values = require "mxhook.cel.values"

local ipairs, pcall, select, tonumber, tostring, type = ipairs, pcall, select, tonumber, tostring, type
local concat, insert, sort, huge = table.concat, table.insert, table.sort, math.huge

local strings = {}

local fail, kind_of, int64 = values.fail, values.kind_of, values.int64

-- Where each character begins, and the end and one; so characters i to j are text:sub(at[i], at[j + 1] - 1).
local function starts(text)
    local at, count = {}, 0
    for i = 1, #text do
        local byte = text:byte(i)
        if byte < 0x80 or byte >= 0xC0 then
            count = count + 1
            at[count] = i
        end
    end
    at[count + 1] = #text + 1
    return at, count
end

function strings.size(text)
    if not text:find("[\128-\255]") then return int64(#text) end
    local _, count = starts(text)
    return int64(count)
end

local methods = {}
strings.methods = methods
--- By method: the fewest and the most arguments, and how many of the first are strings (the rest are ints).
strings.arity = {}
local compile_regex = core.regex.compile

local function check(name, pos, v, expected)
    if kind_of(v) ~= expected then fail(("%s: %s where %s is expected"):format(name, kind_of(v), expected), pos) end
    return v
end

-- A method whose subject and first `text` arguments are strings, then up to `numbers` ints.
local function define(name, text, numbers, f, optional)
    strings.arity[name] = { text - (optional or 0), text + numbers, text }
    methods[name] = function(pos, subject, ...)
        local count = select("#", ...)
        check(name, pos, subject, "string")
        if count < text - (optional or 0) or count > text + numbers then
            fail(("%s takes %d to %d arguments, not %d"):format(name, text - (optional or 0), text + numbers, count), pos)
        end
        for i = 1, count do check(name, pos, (select(i, ...)), i <= text and "string" or "int") end
        return f(pos, subject, ...)
    end
end

define("contains", 1, 0, function(_, s, part) return s:find(part, 1, true) ~= nil end)
define("startsWith", 1, 0, function(_, s, part) return s:sub(1, #part) == part end)
define("endsWith", 1, 0, function(_, s, part) return part == "" or s:sub(-#part) == part end)
-- Patterns that were compiled; a constant one stands in the code that the compiler makes.
local MAX_PATTERNS = 200
local patterns, pattern_count = {}, 0

--- The compiled pattern, of RE2's syntax; raises {cel = ...}.
function strings.pattern(text, pos)
    local found = patterns[text]
    if found then return found end
    local translated, flags, at = re2(text)
    if not translated then fail(("a pattern that is wrong at character %d: %s"):format(at, flags), pos) end
    local ok, code = pcall(compile_regex, translated, flags)
    if not ok then fail("a pattern that is wrong: " .. code, pos) end
    if pattern_count >= MAX_PATTERNS then patterns, pattern_count = {}, 0 end
    patterns[text], pattern_count = code, pattern_count + 1
    return code
end

--- Does it match anywhere in the text?
function strings.matches(code, text) return code:exec(text) ~= nil end

define("matches", 1, 0, function(pos, s, pattern) return strings.matches(strings.pattern(pattern, pos), s) end)

local function range(name, pos, number, count)
    local at = tonumber(number)
    if at < 0 or at > count then fail(name .. ": index out of range", pos) end
    return at
end

define("charAt", 0, 1, function(pos, s, index)
    if index == nil then fail("charAt takes an index", pos) end
    local at, count = starts(s)
    local i = range("charAt", pos, index, count)
    if i == count then return "" end
    return s:sub(at[i + 1], at[i + 2] - 1)
end)

local function index_of_start(at, byte)
    for i = 1, #at do
        if at[i] == byte then return i - 1 end
    end
end

define("indexOf", 1, 1, function(pos, s, part, from)
    local at, count = starts(s)
    local first = range("indexOf", pos, from or 0, count)
    local found = s:find(part, at[first + 1], true)
    return int64(found and index_of_start(at, found) or -1)
end)

define("lastIndexOf", 1, 1, function(pos, s, part, from)
    local at, count = starts(s)
    for i = range("lastIndexOf", pos, from or count, count), 0, -1 do
        if s:sub(at[i + 1], at[i + 1] + #part - 1) == part then return int64(i) end
    end
    return int64(-1)
end)

define("substring", 0, 2, function(pos, s, from, to)
    if from == nil then fail("substring takes a start", pos) end
    local at, count = starts(s)
    local first = range("substring", pos, from, count)
    local last = range("substring", pos, to or count, count)
    if first > last then fail("substring: it would end before it starts", pos) end
    return s:sub(at[first + 1], at[last + 1] - 1)
end)

define("lowerAscii", 0, 0, function(_, s) return s:lower() end)
define("upperAscii", 0, 0, function(_, s) return s:upper() end)

define("reverse", 0, 0, function(_, s)
    local at, count = starts(s)
    local pieces = {}
    for i = count, 1, -1 do pieces[#pieces + 1] = s:sub(at[i], at[i + 1] - 1) end
    return concat(pieces)
end)

-- The white space of Unicode (White_Space=yes).
local SPACE = "[\\x{9}-\\x{d} \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}]"

define("trim", 0, 0, function(_, s)
    return (rex.gsub(s, "\\A" .. SPACE .. "++|" .. SPACE .. "+\\z", ""))
end)

-- Splits at `separator`, into at most `limit` pieces; at "" into characters.
local function split(s, separator, limit)
    local pieces, at = {}, 1
    local begins = separator == "" and starts(s)
    while #pieces < limit - 1 do
        local first, last
        if begins then
            local next_start = begins[#pieces + 2]
            if next_start and next_start <= #s then first, last = next_start, next_start - 1 end
        else
            first, last = s:find(separator, at, true)
        end
        if not first then break end
        pieces[#pieces + 1] = s:sub(at, first - 1)
        at = last + 1
    end
    if limit > 0 and not (begins and s == "") then pieces[#pieces + 1] = s:sub(at) end
    return pieces
end

local function limit_of(number)
    local limit = number and tonumber(number) or -1
    return limit < 0 and huge or limit
end

define("split", 1, 1, function(_, s, separator, limit)
    return values.list(split(s, separator, limit_of(limit)))
end)

define("replace", 2, 1, function(_, s, old, new, limit)
    limit = limit_of(limit)
    if old == "" then -- before each character and at the end
        local at, count = starts(s)
        local pieces = {}
        for i = 1, count + 1 do
            if i <= limit then pieces[#pieces + 1] = new end
            pieces[#pieces + 1] = at[i + 1] and s:sub(at[i], at[i + 1] - 1) or ""
        end
        return concat(pieces)
    end
    return concat(split(s, old, limit + 1), new)
end)

strings.arity.charAt[1], strings.arity.substring[1] = 1, 1
strings.arity.join, strings.arity.format = { 0, 1, 1 }, { 1, 1 }

methods.join = function(pos, list, separator, ...)
    check("join", pos, list, "list")
    check("join", pos, separator == nil and "" or separator, "string")
    if select("#", ...) > 0 then fail("join takes one argument", pos) end
    for i = 1, #list do check("join", pos, list[i], "string") end
    return concat(list, separator or "")
end

local quoted = { ["\a"] = "\\a", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
    ["\t"] = "\\t", ["\v"] = "\\v", ["\\"] = "\\\\", ['"'] = '\\"' }

function strings.quote(pos, s)
    check("strings.quote", pos, s, "string")
    return '"' .. s:gsub('[%c\\"]', quoted) .. '"'
end

-- format(): a verb for each letter, on a value and the precision or nil.

local function hex(text, letter)
    return (text:gsub(".", function(c) return ("%02" .. letter):format(c:byte()) end))
end

local function in_base(v, base, letters)
    local negative = kind_of(v) == "int" and v < 0
    local rest, digits = ffi.cast("uint64_t", negative and -v or v), {}
    repeat
        local digit = tonumber(rest % base)
        insert(digits, 1, letters:sub(digit + 1, digit + 1))
        rest = rest / base
    until rest == 0
    return (negative and "-" or "") .. concat(digits)
end

local format_text

local function format_list(list)
    local pieces = {}
    for i = 1, #list do pieces[i] = format_text(list[i]) end
    return "[" .. concat(pieces, ", ") .. "]"
end

local function format_map(map)
    local pieces = {}
    for _, key in ipairs(map.keys) do
        pieces[#pieces + 1] = { format_text(key), format_text(values.map_get(map, key)) }
    end
    sort(pieces, function(a, b) return a[1] < b[1] end)
    for i, pair in ipairs(pieces) do pieces[i] = pair[1] .. ": " .. pair[2] end
    return "{" .. concat(pieces, ", ") .. "}"
end

function format_text(v, pos)
    local k = kind_of(v)
    if k == "list" then return format_list(v) end
    if k == "map" then return format_map(v) end
    if k == "bytes" then return v.bytes end
    if k == "null_type" then return "null" end
    if k == "type" then return v.name end
    return convert.string(pos, v)
end

local function wrong_verb(verb, v, pos)
    fail(("format: %%%s of %s"):format(verb, kind_of(v)), pos)
end

local function special(v)
    return (v ~= v or v == huge or v == -huge) and convert.text(v)
end

local function float_verb(verb)
    return function(v, pos, precision)
        local k = kind_of(v)
        if k ~= "double" and k ~= "int" and k ~= "uint" then wrong_verb(verb, v, pos) end
        local number = tonumber(v)
        return special(number) or core.format_double(number, precision or 6, verb)
    end
end

local function base_verb(verb, base, letters, of_text)
    return function(v, pos)
        local k = kind_of(v)
        if k == "int" or k == "uint" then return in_base(v, base, letters) end
        if of_text and k == "string" then return of_text(v) end
        if of_text and k == "bytes" then return of_text(v.bytes) end
        if verb == "b" and k == "bool" then return v and "1" or "0" end
        wrong_verb(verb, v, pos)
    end
end

local verbs = {
    s = format_text,
    d = function(v, pos)
        local k = kind_of(v)
        if k == "double" and special(v) then return special(v) end
        if k ~= "int" and k ~= "uint" then wrong_verb("d", v, pos) end
        return convert.text(v)
    end,
    f = float_verb "f", e = float_verb "e",
    b = base_verb("b", 2, "01"), o = base_verb("o", 8, "01234567"),
    x = base_verb("x", 16, "0123456789abcdef", function(text) return hex(text, "x") end),
    X = base_verb("X", 16, "0123456789ABCDEF", function(text) return hex(text, "X") end),
}

local MAX_PRECISION = 30

methods.format = function(pos, template, list, ...)
    check("format", pos, template, "string")
    if list == nil or select("#", ...) > 0 then fail("format takes a list", pos) end
    check("format", pos, list, "list")
    local used = 0
    local text = template:gsub("%%(%.?)(%d*)(.?)", function(dot, digits, verb)
        if dot == "" and digits == "" and verb == "%" then return "%" end
        local precision = dot == "." and tonumber(digits) or nil
        if not verbs[verb] or dot == "" and digits ~= "" or precision and precision > MAX_PRECISION then
            fail(("format: unknown verb '%%%s%s%s'"):format(dot, digits, verb), pos)
        end
        used = used + 1
        if used > #list then fail("format: more verbs than values", pos) end
        return verbs[verb](list[used], pos, precision)
    end)
    return text
end

return strings
