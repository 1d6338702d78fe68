--- CEL's compiler: a tree becomes the source of one Lua function, once.
--
-- Each piece of generated code comes with what is known of it: its type ("dyn": nothing), and whether it
-- can raise. So && and || need a pcall only around operands that can, and operators on values whose
-- types are known become Lua's own.

local convert = require "mxhook.cel.convert"
local parse = require "mxhook.cel.parse"
local runtime = require "mxhook.cel.runtime"
local strings = require "mxhook.cel.strings"
local time = require "mxhook.cel.time"
local values = require "mxhook.cel.values"

local ipairs, load, pairs, pcall, tostring = ipairs, load, pairs, pcall, tostring
local concat, insert, sort, find = table.concat, table.insert, table.sort, string.find

local fail = values.fail

local functions = { size = runtime.size, matches = strings.methods.matches }
for name, f in pairs(convert) do
    if name ~= "digits" and name ~= "text" then functions[name] = f end
end
local methods = { size = runtime.size }
for name, f in pairs(strings.methods) do methods[name] = f end
for name, f in pairs(time.methods) do methods[name] = f end
for name, f in pairs(runtime.methods) do methods[name] = f end

-- By method: the fewest and the most arguments, and how many of the first are strings.
local arity = { size = { 0, 0 } }
for name, counts in pairs(strings.arity) do arity[name] = counts end
for name in pairs(time.methods) do arity[name] = { 0, 1, 1 } end
for name, counts in pairs(runtime.arity) do arity[name] = counts end

local result_types = { size = "int", matches = "bool", contains = "bool", startsWith = "bool",
    endsWith = "bool", int = "int", uint = "uint", double = "double", string = "string", bytes = "bytes",
    bool = "bool", timestamp = "google.protobuf.Timestamp", duration = "google.protobuf.Duration",
    type = "type", dyn = "dyn", charAt = "string", indexOf = "int", lastIndexOf = "int",
    substring = "string", lowerAscii = "string", upperAscii = "string", trim = "string", reverse = "string",
    replace = "string", split = "list", join = "string", format = "string" }
for name in pairs(time.methods) do result_types[name] = "int" end
result_types.hasValue, result_types["or"] = "bool", values.OPTIONAL

local type_names = { bool = "bool", int = "int", uint = "uint", double = "double", string = "string",
    bytes = "bytes", list = "list", map = "map", null_type = "null_type", type = "type",
    ["google.protobuf.Timestamp"] = "google.protobuf.Timestamp",
    ["google.protobuf.Duration"] = "google.protobuf.Duration" }

-- Code ----------------------------------------------------------------------------------------

-- A piece of code: an expression of Lua, its CEL type, and can it raise?
local function piece(code, type, raises) return { code = code, type = type or "dyn", raises = raises } end

local generate

-- What can never work is an error at once where the caller wants that; else when it is evaluated, since
-- && and || may absorb it.
local function impossible(context, text, pos)
    if context.strict then fail(text, pos) end
    return piece(("R.raise(%q, %d)"):format(text, pos), "dyn", true)
end

-- The node's value where it is a literal of that type; else nil.
local function literal_value(node, type)
    if node and node.k == "lit" and node.type == type then return node.value end
end

local function constant(context, value)
    context.constants[#context.constants + 1] = value
    return ("K[%d]"):format(#context.constants)
end

local function literal(context, node)
    if node.type == "string" then return piece(("%q"):format(node.value), "string") end
    if node.type == "bool" then return piece(tostring(node.value), "bool") end
    return piece(constant(context, node.value), node.type)
end

-- "a.b.c" where the node is a name or a selection of one by plain names; nil
local function dotted(node)
    if node.k == "name" then return node.name end
    if node.k ~= "select" then return nil end
    local object = dotted(node.object)
    return object and object .. "." .. node.field
end

local function variable(context, name)
    local declared = context.variables[name]
    if declared then return piece(declared.code, declared.type, declared.raises) end
    if type_names[name] then return piece(constant(context, values.type_named(type_names[name])), "type") end
end

local function local_of(scope, name)
    while scope do
        if scope[name] then return piece(scope[name], "dyn") end
        scope = scope.parent
    end
end

local function head(node)
    while node.k == "select" do node = node.object end
    return node.name
end

local gen, special_method = {}, nil

function gen.lit(context, node) return literal(context, node) end

gen["name"] = function(context, node, scope)
    return local_of(scope, node.name) or variable(context, node.name)
        or impossible(context, ("there is no '%s'"):format(node.name) .. context.suggest(node.name), node.pos)
end

-- A map that is declared with `at`, by a name that is known now: no map need be made.
local function known_entry(context, object, key, scope)
    if object.k ~= "name" or local_of(scope, object.name) then return nil end
    local declared = context.variables[object.name]
    return declared and declared.at and piece(declared.at:format(key), declared.at_type)
end

function gen.select(context, node, scope)
    local path = dotted(node)
    if path and not local_of(scope, head(node)) then
        local found = variable(context, path)
        if found then return found end
    end
    local entry = known_entry(context, node.object, node.field, scope)
    if entry then return entry end
    local object = generate(context, node.object, scope)
    return piece(("R.select(%s, %q, %d)"):format(object.code, node.field, node.pos), "dyn", true)
end

function gen.index(context, node, scope)
    if node.index.k == "lit" and node.index.type == "string" then
        local entry = known_entry(context, node.object, node.index.value, scope)
        if entry then return entry end
    end
    local object = generate(context, node.object, scope)
    local index = generate(context, node.index, scope)
    return piece(("R.index(%s, %s, %d)"):format(object.code, index.code, node.pos), "dyn", true)
end

function gen.optselect(context, node, scope)
    local object = generate(context, node.object, scope)
    return piece(("R.opt_select(%s, %q, %d)"):format(object.code, node.field, node.pos), values.OPTIONAL, true)
end

function gen.optindex(context, node, scope)
    local object, index = generate(context, node.object, scope), generate(context, node.index, scope)
    return piece(("R.opt_select(%s, %s, %d)"):format(object.code, index.code, node.pos), values.OPTIONAL, true)
end

function gen.list(context, node, scope)
    local codes, raises = {}, false
    for i, item in ipairs(node.items) do
        local made = generate(context, item, scope)
        codes[i], raises = made.code, raises or made.raises
    end
    return piece(("R.list({%s})"):format(concat(codes, ", ")), "list", raises)
end

function gen.map(context, node, scope)
    local codes = {}
    for i, item in ipairs(node.items) do codes[i] = generate(context, item, scope).code end
    return piece(("R.map({%s}, %d)"):format(concat(codes, ", "), node.pos), "map", true)
end

gen["not"] = function(context, node, scope)
    local value = generate(context, node.value, scope)
    if value.type == "bool" then return piece(("(not %s)"):format(value.code), "bool", value.raises) end
    if value.type ~= "dyn" then return impossible(context, "'!' of " .. value.type, node.pos) end
    return piece(('R["not"](%s, %d)'):format(value.code, node.pos), "bool", true)
end

function gen.neg(context, node, scope)
    local value = generate(context, node.value, scope)
    return piece(("R.neg(%s, %d)"):format(value.code, node.pos), value.type, true)
end

function gen.cond(context, node, scope)
    local condition = generate(context, node.condition, scope)
    local yes, no = generate(context, node.yes, scope), generate(context, node.no, scope)
    local type = yes.type == no.type and yes.type or "dyn"
    if condition.type ~= "bool" and condition.type ~= "dyn" then
        return impossible(context, "a bool was expected before '?', not " .. condition.type, node.pos)
    end
    local test = condition.type == "bool" and condition.code
        or ("R.bool(%s, %d)"):format(condition.code, node.pos)
    -- `a and b or c` would take c where b is false
    return piece(("R.pick(%s, function() return %s end, function() return %s end)"):format(test, yes.code,
        no.code), type, condition.raises or condition.type ~= "bool" or yes.raises or no.raises)
end

local function junction(word, absorbing)
    return function(context, node, scope)
        local codes, thunks, plain, raises = {}, {}, true, false
        for i, item in ipairs(node.items) do
            local made = generate(context, item, scope)
            if made.type ~= "bool" and made.type ~= "dyn" and context.strict then
                fail(("a bool was expected, not %s"):format(made.type), item.pos)
            end
            codes[i] = made.code
            thunks[i] = ("function() return %s end"):format(made.code)
            -- the last one may raise as it likes: nothing is left to absorb its error
            plain = plain and made.type == "bool" and (not made.raises or i == #node.items)
            raises = raises or made.raises or made.type ~= "bool"
        end
        if plain then return piece("(" .. concat(codes, " " .. word .. " ") .. ")", "bool", raises) end
        return piece(("R.%s(%d, %s)"):format(absorbing, node.pos, concat(thunks, ", ")), "bool", true)
    end
end
gen["and"], gen["or"] = junction("and", "all_of"), junction("or", "any_of")

local op_names = { ["+"] = "add", ["-"] = "sub", ["*"] = "mul", ["/"] = "div", ["%"] = "mod", ["<"] = "lt",
    ["<="] = "le", [">"] = "gt", [">="] = "ge", ["=="] = "eq", ["!="] = "ne", ["in"] = "in" }
local lua_ops = { ["<"] = "<", ["<="] = "<=", [">"] = ">", [">="] = ">=", ["=="] = "==", ["!="] = "~=" }
local ordered = { ["<"] = true, ["<="] = true, [">"] = true, [">="] = true }
local native = { string = true, int = true, uint = true, double = true }
local unordered = { list = true, map = true, null_type = true, type = true }
local number = { int = true, uint = true, double = true }

-- Is an operator on these two types always an error?
local function never_works(op, a, b)
    if a == "dyn" or b == "dyn" then return false end
    if ordered[op] then
        return unordered[a] or unordered[b] or a ~= b and not (number[a] and number[b])
    end
    if op == "in" then return b ~= "list" and b ~= "map" end
    if op == "%" and a == "double" then return true end
    if op == "*" or op == "/" or op == "%" then return a ~= b or not number[a] end
    if op == "+" or op == "-" then return a ~= b and not (a:find("^google") and b:find("^google")) end
    return false
end

-- Two types that are both known, and of which no value is equal to one of the other. CEL's equality knows all types,
-- but who compares these has made a mistake.
local function never_equal(a, b)
    if a == "dyn" or b == "dyn" or a == b or a == "null_type" or b == "null_type" then return false end
    return not (number[a] and number[b])
end

function gen.bin(context, node, scope)
    local left, right = generate(context, node.left, scope), generate(context, node.right, scope)
    local op, a, b = node.op, left.type, right.type
    local raises = left.raises or right.raises
    if never_works(op, a, b) then
        return impossible(context, ("'%s' of %s and %s"):format(op, a, b), node.pos)
    end
    if (op == "==" or op == "!=") and context.strict and never_equal(a, b) then
        fail(("'%s' of %s and %s is always %s"):format(op, a, b, op == "==" and "false" or "true"), node.pos)
    end
    if lua_ops[op] and a == b and native[a] then
        return piece(("(%s %s %s)"):format(left.code, lua_ops[op], right.code), "bool", raises)
    end
    if op == "+" and a == "string" and b == "string" then
        return piece(("(%s .. %s)"):format(left.code, right.code), "string", raises)
    end
    local name = op_names[op]
    local is_test = lua_ops[op] or op == "in"
    local safe = op == "==" or op == "!="
    local type = is_test and "bool" or a == b and a ~= "dyn" and not a:find("^google") and a or "dyn"
    return piece(("R[%q](%s, %s, %d)"):format(name, left.code, right.code, node.pos), type,
        raises or not safe)
end

local function call(context, kind, name, node, codes, types, raises)
    -- Methods of a text on a text cannot raise, and the commonest need no call of ours.
    if kind == "M" and types[1] == "string" and types[2] == "string" and #types == 2 then
        if name == "contains" then
            return piece(("(find(%s, %s, 1, true) ~= nil)"):format(codes[1], codes[2]), "bool", raises)
        elseif name == "startsWith" then
            return piece(("R.starts_with(%s, %s)"):format(codes[1], codes[2]), "bool", raises)
        elseif name == "endsWith" then
            return piece(("R.ends_with(%s, %s)"):format(codes[1], codes[2]), "bool", raises)
        end
    end
    local expected = kind == "M" and name ~= "size" and not time.methods[name] and not runtime.methods[name] and kind == "M" and (name == "join" and "list" or "string")
    if expected and types[1] ~= "dyn" and types[1] ~= expected then
        return impossible(context, ("%s of %s"):format(name, types[1]), node.pos)
    end
    return piece(("%s[%q](%d%s%s)"):format(kind, name, node.pos, #codes > 0 and ", " or "",
        concat(codes, ", ")), result_types[name], true)
end

local function generate_all(context, nodes, scope, codes, types)
    local raises = false
    for _, node in ipairs(nodes) do
        local made = generate(context, node, scope)
        codes[#codes + 1], types[#types + 1] = made.code, made.type
        raises = raises or made.raises
    end
    return raises
end

local known_conversion, known_pattern

local function has_macro(context, node, scope)
    local argument = node.arguments[1]
    if #node.arguments == 1 and argument.k == "index" then
        local key = literal_value(argument.index, "string")
        local map = dotted(argument.object) or "the map"
        fail(("has() takes a field, as in has(%s.b); whether there is a key: %s in %s"):format(map,
            key and "'" .. key .. "'" or "the key", map), node.pos)
    end
    if #node.arguments ~= 1 or argument.k ~= "select" then fail("has() takes a field, as in has(a.b)", node.pos) end
    local object = generate(context, argument.object, scope)
    return piece(("R.has(%s, %q, %d)"):format(object.code, argument.field, node.pos), "bool", true)
end

-- timestamp("..."), duration("..."), int("7") and the like of a literal: converted now, once.
local foldable = { timestamp = true, duration = true, int = true, uint = true, double = true, bool = true }

function known_conversion(context, node)
    local text = foldable[node.name] and literal_value(node.arguments[1], "string")
    if not text then return nil end
    local ok, value = pcall(functions[node.name], node.pos, text)
    if ok and node.name == "bool" then return piece(tostring(value), "bool") end
    if ok then return piece(constant(context, value), result_types[node.name]) end
    return impossible(context, value.cel or tostring(value), node.pos)
end

-- A pattern that is a literal is compiled now; nil where it is none, or the subject may be no string.
function known_pattern(context, node, argument, subject, type, raises)
    local text = literal_value(argument, "string")
    if not text then return nil end
    local ok, code = pcall(strings.pattern, text, argument.pos)
    if not ok then return impossible(context, code.cel or tostring(code), argument.pos) end
    if type ~= "string" then return nil end
    return piece(("R.matches(%s, %s)"):format(constant(context, code), subject), "bool", raises)
end

function gen.call(context, node, scope)
    local count = #node.arguments
    if node.name == "has" then return has_macro(context, node, scope) end
    local f = functions[node.name]
    local expected = node.name == "matches" and 2 or 1
    if not f or count ~= expected then
        return impossible(context, f and ("%s takes %d argument(s), not %d"):format(node.name, expected, count)
            or ("there is no function '%s'"):format(node.name), node.pos)
    end
    local known = known_conversion(context, node)
    if known then return known end
    local codes, types = {}, {}
    local raises = generate_all(context, node.arguments, scope, codes, types)
    if node.name == "matches" then
        local pattern = known_pattern(context, node, node.arguments[2], codes[1], types[1], raises)
        if pattern then return pattern end
    end
    return call(context, "F", node.name, node, codes, types, raises)
end

-- name = {what the runtime calls it, arguments after the variables: least, most}
local macros = {
    all = { "all", 1, 1 }, exists = { "exists", 1, 1 }, exists_one = { "exists_one", 1, 1 },
    existsOne = { "exists_one", 1, 1 }, map = { "transform_list", 1, 2, "single" },
    filter = { "filter", 1, 1, "single" }, transformList = { "transform_list", 1, 2, "double" },
    transformMap = { "transform_map", 1, 2, "double" },
}

-- Splits a macro's arguments in variables and bodies; nil where it is not the macro's form.
local function macro_parts(node)
    local macro = macros[node.name]
    local count = #node.arguments
    if not macro then return nil end
    local variables = macro[4] == "single" and 1 or macro[4] == "double" and 2
        or (count == 3 and 2 or 1)
    local bodies = count - variables
    if bodies < macro[2] or bodies > macro[3] then return nil end
    for i = 1, variables do
        if node.arguments[i].k ~= "name" then fail("a plain name was expected", node.arguments[i].pos) end
    end
    return macro, variables
end

local function macro_call(context, node, scope, macro, variables)
    local range = generate(context, node.object, scope)
    local inner, names = { parent = scope }, {}
    for i = 1, variables do
        context.locals = context.locals + 1
        names[i] = "v" .. context.locals
        inner[node.arguments[i].name] = names[i]
    end
    local bodies = {}
    for i = variables + 1, #node.arguments do
        local body = generate(context, node.arguments[i], inner)
        bodies[#bodies + 1] = ("function(%s) return %s end"):format(concat(names, ", "), body.code)
    end
    if macro[3] == 2 and #bodies == 1 then insert(bodies, 1, "nil") end
    return piece(("R.%s(%d, %s, %s, %s)"):format(macro[1], node.pos, range.code,
        variables == 2 and "true" or "false", concat(bodies, ", ")),
        macro[1] == "transform_list" and "list" or macro[1] == "filter" and "list"
            or macro[1] == "transform_map" and "map" or "bool", true)
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
        if expected and known ~= "dyn" and known ~= expected then
            return ("%s: %s where %s is expected"):format(node.name, known, expected), argument.pos
        end
    end
end

-- A body that sees its value as a name: `name` of the node's arguments, then what it is evaluated with.
local function with_name(context, node, name, body, scope)
    if name.k ~= "name" then fail("a plain name was expected", name.pos) end
    context.locals = context.locals + 1
    local inner = { parent = scope, [name.name] = "v" .. context.locals }
    local made = generate(context, body, inner)
    return ("function(%s) return %s end"):format(inner[name.name], made.code), made
end

local optional_makers = { of = "opt_of", none = "opt_none", ofNonZeroValue = "opt_of_non_zero" }

-- cel.bind(v, value, expression), optional.of(value), ..., opt.optMap(v, expression); nil: none of them.
function special_method(context, node, scope)
    local count, on = #node.arguments, dotted(node.object)
    if on and local_of(scope, head(node.object)) then on = nil end
    if on == "cel" and node.name == "bind" then
        if count ~= 3 then fail("cel.bind takes a name, its value and an expression", node.pos) end
        local value = generate(context, node.arguments[2], scope)
        local code, made = with_name(context, node, node.arguments[1], node.arguments[3], scope)
        return piece(("R.bind(%s, %s)"):format(code, value.code), made.type, value.raises or made.raises)
    elseif on == "optional" and optional_makers[node.name] then
        if count ~= (node.name == "none" and 0 or 1) then
            return impossible(context, ("optional.%s: that is not its number of arguments"):format(node.name), node.pos)
        end
        local value = count == 1 and generate(context, node.arguments[1], scope).code or "nil"
        return piece(("R.%s(%d, %s)"):format(optional_makers[node.name], node.pos, value), values.OPTIONAL, true)
    elseif (node.name == "optMap" or node.name == "optFlatMap") and count == 2 then
        local object = generate(context, node.object, scope)
        local code = with_name(context, node, node.arguments[1], node.arguments[2], scope)
        return piece(("R.%s(%d, %s, %s)"):format(node.name == "optMap" and "opt_map" or "opt_flat_map", node.pos,
            object.code, code), values.OPTIONAL, true)
    end
end

function gen.method(context, node, scope)
    local macro, variables = macro_parts(node)
    if macro then return macro_call(context, node, scope, macro, variables) end
    if node.name == "quote" and dotted(node.object) == "strings" then
        local codes, types = {}, {}
        generate_all(context, node.arguments, scope, codes, types)
        return piece(("R.quote(%d, %s)"):format(node.pos, codes[1] or "nil"), "string", true)
    end
    local special = special_method(context, node, scope)
    if special then return special end
    if not methods[node.name] then
        return impossible(context, ("there is no method '%s'"):format(node.name)
            .. context.suggest_method(node.name), node.pos)
    end
    local codes, types = {}, {}
    local object = generate(context, node.object, scope)
    codes[1], types[1] = object.code, object.type
    local raises = generate_all(context, node.arguments, scope, codes, types) or object.raises
    local wrong, place = wrong_arguments(node, types)
    if wrong then return impossible(context, wrong, place) end
    if node.name == "matches" then
        local pattern = known_pattern(context, node, node.arguments[1], codes[1], types[1], raises)
        if pattern then return pattern end
    end
    if time.methods[node.name] and literal_value(node.arguments[1], "string") then
        local ok, failure = pcall(time.check_zone, node.arguments[1].value, node.arguments[1].pos)
        if not ok then return impossible(context, failure.cel or tostring(failure), node.arguments[1].pos) end
    end
    return call(context, "M", node.name, node, codes, types, raises)
end

function generate(context, node, scope)
    context.depth = context.depth + 1
    if context.depth > 150 then fail("the expression is nested too deep", node.pos) end
    local made = gen[node.k](context, node, scope)
    context.depth = context.depth - 1
    return made
end

local method_names = {}
for name in pairs(methods) do method_names[#method_names + 1] = name end
sort(method_names)

--- Compiles `text` to a function of one argument, which generated code sees as V. `variables` maps names
-- to {code, type, raises}, and for a map {at, at_type}: code that gives the value of a key; `helpers` is what their code calls as H. `strict`: what can never work is an
-- error now. Raises {cel = text, pos = place}. Returns the function and the type of what it gives.
return function(text, variables, helpers, strict, suggest)
    local context = { variables = variables, constants = {}, strict = strict, locals = 0, depth = 0,
        suggest = suggest or function() return "" end }
    function context.suggest_method(name) return suggest and suggest(name, method_names) or "" end
    local made = generate(context, parse(text))
    local source = "local R, F, M, K, H, find = ... return function(V) return " .. made.code .. " end"
    local chunk, wrong = load(source, "=cel", "t", {})
    if not chunk then fail("the expression is too long or nested too deep: " .. tostring(wrong), 1) end
    return chunk(runtime, functions, methods, context.constants, helpers, find), made.type
end
