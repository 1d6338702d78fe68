--- CEL's functions and methods, as code: their names, the number and types of what they take, and what can be computed or
-- refused when the expression is compiled.

local code = require "mxhook.cel.code"
local convert = require "mxhook.cel.convert"
local macros = require "mxhook.cel.macros"
local runtime = require "mxhook.cel.runtime"
local strings = require "mxhook.cel.strings"
local time = require "mxhook.cel.time"
local values = require "mxhook.cel.values"

local ipairs, pairs, pcall, tostring = ipairs, pairs, pcall, tostring
local concat, sort = table.concat, table.sort

local piece, impossible, kinds, literal_value = code.piece, code.impossible, code.kinds, code.literal_value

local TIME, SPAN = "google.protobuf.Timestamp", "google.protobuf.Duration"

--- What generated code calls as F and M.
local calls = { functions = { size = runtime.size, matches = strings.methods.matches }, methods = { size = runtime.size } }
local functions, methods = calls.functions, calls.methods

for name, f in pairs(convert) do
    if name ~= "digits" and name ~= "text" then functions[name] = f end
end
for _, more in ipairs { strings.methods, time.methods, runtime.methods } do
    for name, f in pairs(more) do methods[name] = f end
end

local method_names = {}
for name in pairs(methods) do method_names[#method_names + 1] = name end
sort(method_names)

-- By method: the fewest and the most arguments, and how many of the first are strings.
local arity = { size = { 0, 0 } }
for name, counts in pairs(strings.arity) do arity[name] = counts end
for name in pairs(time.methods) do arity[name] = { 0, 1, 1 } end
for name, counts in pairs(runtime.arity) do arity[name] = counts end

local result_types = { size = "int", matches = "bool", contains = "bool", startsWith = "bool",
    endsWith = "bool", int = "int", uint = "uint", double = "double", string = "string", bytes = "bytes",
    bool = "bool", timestamp = TIME, duration = SPAN,
    type = "type", dyn = "dyn", charAt = "string", indexOf = "int", lastIndexOf = "int",
    substring = "string", lowerAscii = "string", upperAscii = "string", trim = "string", reverse = "string",
    replace = "string", split = "list", join = "string", format = "string" }
for name in pairs(time.methods) do result_types[name] = "int" end
result_types.hasValue, result_types["or"] = "bool", values.OPTIONAL

local function set(names)
    local made = {}
    for name in names:gmatch("%S+") do made[name] = true end
    return made
end

-- By function: the types of what it takes; nil: any.
local takes = {
    size = set "string bytes list map",
    int = set("int uint double string " .. TIME),
    uint = set "int uint double string",
    double = set "int uint double string",
    string = set("string bytes int uint double bool " .. TIME .. " " .. SPAN),
    bytes = set "bytes string",
    bool = set "bool string",
    timestamp = set("int string " .. TIME),
    duration = set("int string " .. SPAN),
    matches = set "string",
}

-- By method: the types of what it is called on.
local of = { size = takes.size, join = set "list" }
for name in pairs(strings.arity) do of[name] = of[name] or set "string" end
for name in pairs(time.methods) do of[name] = set(TIME) end
for _, name in ipairs { "getHours", "getMinutes", "getSeconds", "getMilliseconds" } do of[name] = set(TIME .. " " .. SPAN) end
for name in pairs(runtime.methods) do of[name] = set(values.OPTIONAL) end

-- Methods of a text on a text cannot raise, and the commonest need no call of ours.
local inline = {
    contains = "(find(%s, %s, 1, true) ~= nil)",
    startsWith = "R.starts_with(%s, %s)",
    endsWith = "R.ends_with(%s, %s)",
}

-- timestamp("..."), duration("..."), int("7") and the like of a literal: converted now, once.
local foldable = set "timestamp duration int uint double bool"

local function known_conversion(context, node)
    local text = foldable[node.name] and literal_value(node.arguments[1], "string")
    if not text then return nil end
    local ok, value = pcall(functions[node.name], node.pos, text)
    if ok and node.name == "bool" then return piece(tostring(value), "bool") end
    if ok then return piece(code.constant(context, value), result_types[node.name]) end
    return impossible(context, value.cel or tostring(value), node.pos)
end

-- A pattern that is a literal is compiled now; nil where it is none, or the subject may be no string.
local function known_pattern(context, argument, subject, type, raises)
    local text = literal_value(argument, "string")
    if not text then return nil end
    local ok, compiled = pcall(strings.pattern, text, argument.pos)
    if not ok then return impossible(context, compiled.cel or tostring(compiled), argument.pos) end
    if type ~= "string" then return nil end
    return piece(("R.matches(%s, %s)"):format(code.constant(context, compiled), subject), "bool", raises)
end

function kinds.call(context, node, scope)
    local count = #node.arguments
    if node.name == "has" then return macros.has(context, node, scope) end
    local f = functions[node.name]
    local expected = node.name == "matches" and 2 or 1
    if not f or count ~= expected then
        return impossible(context, f and ("%s takes %d argument(s), not %d"):format(node.name, expected, count)
            or ("there is no function '%s'"):format(node.name) .. context.suggest_function(node.name), node.pos)
    end
    local known = known_conversion(context, node)
    if known then return known end
    local codes, types = {}, {}
    local raises = code.generate_all(context, node.arguments, scope, codes, types)
    for i, type in ipairs(types) do
        if takes[node.name] and type ~= "dyn" and not takes[node.name][type] then
            return impossible(context, ("%s of %s"):format(node.name, type), node.arguments[i].pos)
        end
    end
    local pattern = node.name == "matches" and known_pattern(context, node.arguments[2], codes[1], types[1], raises)
    if pattern then return pattern end
    return piece(("F[%q](%d, %s)"):format(node.name, node.pos, concat(codes, ", ")), result_types[node.name], true)
end

-- What is wrong with the number or the known types of a method's arguments, and where; nil: nothing.
local function wrong_arguments(node, types)
    local counts, count = arity[node.name], #node.arguments
    if count < counts[1] or count > counts[2] then
        return ("%s takes %s argument(s), not %d"):format(node.name, counts[1] == counts[2] and counts[1]
            or counts[1] .. " to " .. counts[2], count), node.pos
    end
    for i, argument in ipairs(node.arguments) do
        local known, expected = types[i + 1], counts[3] and (i <= counts[3] and "string" or "int")
        if node.name == "format" then expected = "list" end
        if node.name == "or" then expected = values.OPTIONAL end
        if expected and known ~= "dyn" and known ~= expected then
            return ("%s: %s where %s is expected"):format(node.name, known, expected), argument.pos
        end
    end
    if types[1] ~= "dyn" and not of[node.name][types[1]] then return ("%s of %s"):format(node.name, types[1]), node.pos end
end

-- The type and the item's type of what a method gives. Raises where an optional's orValue() is of another type.
local function result_of(context, node, object, types)
    local item = object.item
    if node.name == "split" then return "list", "string" end
    if object.type ~= values.OPTIONAL or not item then return result_types[node.name], nil end
    if node.name == "or" then return values.OPTIONAL, item end
    if node.name == "orValue" then
        local other = types[2]
        if context.strict and other ~= "dyn" and other ~= item then
            values.fail(("orValue: %s where %s is expected"):format(other, item), node.arguments[1].pos)
        end
        return other == item and item or "dyn", nil
    end
    return node.name == "value" and item or result_types[node.name], nil
end

-- Of a method's literal argument: a piece that says what is wrong with it, or that has used it; nil: nothing of both.
local function known_argument(context, node, codes, types, raises)
    if node.name == "matches" then
        return known_pattern(context, node.arguments[1], codes[1], types[1], raises)
    elseif time.methods[node.name] and literal_value(node.arguments[1], "string") then
        local argument = node.arguments[1]
        local ok, failure = pcall(time.check_zone, argument.value, argument.pos)
        if not ok then return impossible(context, failure.cel or tostring(failure), argument.pos) end
    end
end

function kinds.method(context, node, scope)
    local special = macros.call(context, node, scope)
    if special then return special end
    if not methods[node.name] then
        return impossible(context, ("there is no method '%s'"):format(node.name)
            .. context.suggest_method(node.name), node.pos)
    end
    local object = code.generate(context, node.object, scope)
    local codes, types = { object.code }, { object.type }
    local raises = code.generate_all(context, node.arguments, scope, codes, types) or object.raises
    local wrong, place = wrong_arguments(node, types)
    if wrong then return impossible(context, wrong, place) end
    local known = known_argument(context, node, codes, types, raises)
    if known then return known end
    if inline[node.name] and types[1] == "string" and types[2] == "string" then
        return piece(inline[node.name]:format(codes[1], codes[2]), "bool", raises)
    end
    local type, item = result_of(context, node, object, types)
    return piece(("M[%q](%d, %s)"):format(node.name, node.pos, concat(codes, ", ")), type, true, item)
end

--- All methods' names, sorted; and functions'.
calls.method_names = method_names
calls.function_names = {}
for name in pairs(functions) do calls.function_names[#calls.function_names + 1] = name end
sort(calls.function_names)

return calls
