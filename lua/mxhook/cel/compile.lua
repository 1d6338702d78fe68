--- CEL's compiler: a tree becomes the source of one Lua function, once. Here are names, fields, indexes, lists and maps;
-- operators.lua, calls.lua and macros.lua have the rest.

local calls = require "mxhook.cel.calls"
local code = require "mxhook.cel.code"
local parse = require "mxhook.cel.parse"
local runtime = require "mxhook.cel.runtime"
local values = require "mxhook.cel.values"
require "mxhook.cel.operators"

local ipairs, load, tostring = ipairs, load, tostring
local concat, find = table.concat, string.find

local fail = values.fail
local piece, impossible, generate, kinds = code.piece, code.impossible, code.generate, code.kinds
local local_of = code.local_of

local type_names = {}
for name in ("bool int uint double string bytes list map null_type type optional_type google.protobuf.Timestamp "
    .. "google.protobuf.Duration"):gmatch("%S+") do
    type_names[name] = true
end

-- What each variable's type has as keys, where it is a map.
local function variable(context, name)
    local declared = context.variables[name]
    if declared then
        local made = piece(declared.code, declared.type, declared.raises, declared.item or declared.at_type)
        made.key = declared.at and "string"
        return made
    end
    if type_names[name] then return piece(code.constant(context, values.type_named(name)), "type") end
end

function kinds.lit(context, node) return code.literal(context, node) end

kinds["name"] = function(context, node, scope)
    return local_of(scope, node.name) or variable(context, node.name)
        or impossible(context, ("there is no '%s'"):format(node.name) .. context.suggest(node.name), node.pos)
end

-- A map that is declared with `at`, by a name that is known now: no map need be made.
local function known_entry(context, object, key, scope)
    if object.k ~= "name" or local_of(scope, object.name) then return nil end
    local declared = context.variables[object.name]
    return declared and declared.at and piece(declared.at:format(key), declared.at_type)
end

-- What is taken out of an optional is one.
local function type_inside(object)
    if object.type == values.OPTIONAL then return values.OPTIONAL end
    return object.item or "dyn"
end

function kinds.select(context, node, scope)
    local path = code.dotted(node)
    if path and not local_of(scope, code.head(node)) then
        local found = variable(context, path)
        if found then return found end
    end
    local entry = known_entry(context, node.object, node.field, scope)
    if entry then return entry end
    local object = generate(context, node.object, scope)
    if object.type ~= "dyn" and object.type ~= "map" and object.type ~= values.OPTIONAL then
        return impossible(context, ("%s has no field '%s'"):format(object.type, node.field), node.pos)
    end
    return piece(("R.select(%s, %q, %d)"):format(object.code, node.field, node.pos), type_inside(object), true)
end

local number = { int = true, uint = true, double = true, dyn = true }

-- What is wrong with an index of these types; nil: nothing.
local function wrong_index(object, index)
    if object.type == "list" and not number[index.type] then return "a list's index cannot be " .. index.type end
    if object.type ~= "dyn" and object.type ~= "list" and object.type ~= "map" and object.type ~= values.OPTIONAL then
        return ("'[]' of %s and %s"):format(object.type, index.type)
    end
end

function kinds.index(context, node, scope)
    if node.index.k == "lit" and node.index.type == "string" then
        local entry = known_entry(context, node.object, node.index.value, scope)
        if entry then return entry end
    end
    local object = generate(context, node.object, scope)
    local index = generate(context, node.index, scope)
    local wrong = wrong_index(object, index)
    if wrong then return impossible(context, wrong, node.pos) end
    return piece(("R.index(%s, %s, %d)"):format(object.code, index.code, node.pos), type_inside(object), true)
end

-- object.?field and object[?index]
local function optional_entry(context, node, object, index)
    if object.type ~= "dyn" and object.type ~= "list" and object.type ~= "map" and object.type ~= values.OPTIONAL
        or object.type == "list" and node.k == "optselect" then
        return impossible(context, ("'%s' of %s"):format(node.k == "optselect" and ".?" or "[?]", object.type), node.pos)
    end
    local wrong = wrong_index(object, index)
    if wrong then return impossible(context, wrong, node.pos) end
    return piece(("R.opt_select(%s, %s, %d)"):format(object.code, index.code, node.pos), values.OPTIONAL,
        true, object.item)
end

function kinds.optselect(context, node, scope)
    local object = generate(context, node.object, scope)
    return optional_entry(context, node, object, piece(("%q"):format(node.field), "string"))
end

function kinds.optindex(context, node, scope)
    local object = generate(context, node.object, scope)
    return optional_entry(context, node, object, generate(context, node.index, scope))
end

-- A part of a list or map that stands there with a '?': nil where it is an optional or may be one.
local function not_optional(context, made, node)
    if made.type ~= "dyn" and made.type ~= values.OPTIONAL then
        return impossible(context, ("after '?' an %s is expected, not %s"):format(values.OPTIONAL, made.type), node.pos)
    end
end

-- "[2] = true, ..." of the items that stand there with a '?'; nil: none does.
local function marks(items, first, step)
    local marked = {}
    for i = first, #items, step do
        if items[i].optional then marked[#marked + 1] = ("[%d] = true"):format(i) end
    end
    return #marked > 0 and "{" .. concat(marked, ", ") .. "}" or nil
end

function kinds.list(context, node, scope)
    local codes, types, raises = {}, {}, false
    for i, item in ipairs(node.items) do
        local made = generate(context, item, scope)
        local wrong = item.optional and not_optional(context, made, item)
        if wrong then return wrong end
        codes[i], raises = made.code, raises or made.raises
        types[i] = item.optional and (made.item or "dyn") or made.type
    end
    local optional, type = marks(node.items, 1, 1), code.common(types)
    local item = type ~= "dyn" and type or nil
    if optional then
        return piece(("R.list_of({%s}, %s, %d)"):format(concat(codes, ", "), optional, node.pos), "list", true, item)
    end
    return piece(("R.list({%s})"):format(concat(codes, ", ")), "list", raises, item)
end

local keys = { string = true, int = true, uint = true, bool = true, dyn = true }

function kinds.map(context, node, scope)
    local codes = {}
    for i, item in ipairs(node.items) do
        local made = generate(context, item, scope)
        local wrong = item.optional and not_optional(context, made, item)
        if wrong then return wrong end
        if i % 2 == 1 and not keys[made.type] then
            return impossible(context, "a map's key cannot be a " .. made.type, item.pos)
        end
        codes[i] = made.code
    end
    local optional = marks(node.items, 2, 2)
    if optional then
        return piece(("R.map_of({%s}, %s, %d)"):format(concat(codes, ", "), optional, node.pos), "map", true)
    end
    return piece(("R.map({%s}, %d)"):format(concat(codes, ", "), node.pos), "map", true)
end

--- Compiles `text` to a function of one argument, which generated code sees as V. `variables` maps names to {code, type,
-- raises, item: the type of a list's items}, and for a map {at, at_type}: code that gives the value of a key; `helpers` is
-- what their code calls as H. `strict`: what can never work is an error now. Raises {cel = text, pos = place}. Returns the
-- function and the type of what it gives.
return function(text, variables, helpers, strict, suggest)
    local context = { variables = variables, constants = {}, strict = strict, locals = 0, depth = 0, height = 0,
        hoisted = {}, place = function(pos) return values.place(text, pos) end,
        suggest = suggest or function() return "" end }
    function context.suggest_method(name) return suggest and suggest(name, calls.method_names) or "" end
    function context.suggest_function(name) return suggest and suggest(name, calls.function_names) or "" end
    local made = generate(context, parse(text))
    local source = "local R, F, M, K, H, find = ... local Z = {} " .. concat(context.hoisted, " ")
        .. " return function(V) return " .. made.code .. " end"
    local chunk, wrong = load(source, "=cel", "t", {})
    if not chunk then fail("the expression is too long or nested too deep: " .. tostring(wrong), 1) end
    return chunk(runtime, calls.functions, calls.methods, context.constants, helpers, find), made.type
end
