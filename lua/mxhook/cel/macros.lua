--- What looks like a call, and whose arguments are code: has(), all(), exists(), map(), filter() and their like, cel.bind(),
-- optional values' makers, optMap().

local code = require "mxhook.cel.code"
local values = require "mxhook.cel.values"

local concat, insert = table.concat, table.insert

local fail = values.fail
local piece, impossible, generate = code.piece, code.impossible, code.generate

local macros = {}

--- has(a.b)
function macros.has(context, node, scope)
    local argument = node.arguments[1]
    if #node.arguments == 1 and argument.k == "index" then
        local key = code.literal_value(argument.index, "string")
        local map = code.dotted(argument.object) or "the map"
        fail(("has() takes a field, as in has(%s.b); whether there is a key: %s in %s"):format(map,
            key and "'" .. key .. "'" or "the key", map), node.pos)
    end
    if #node.arguments ~= 1 or argument.k ~= "select" then fail("has() takes a field, as in has(a.b)", node.pos) end
    local object = generate(context, argument.object, scope)
    if object.type ~= "dyn" and object.type ~= "map" and object.type ~= values.OPTIONAL then
        return impossible(context, ("%s has no field '%s'"):format(object.type, argument.field), argument.pos)
    end
    return piece(("R.has(%s, %q, %d)"):format(object.code, argument.field, node.pos), "bool", true)
end

-- name = {what the runtime calls it, arguments after the variables: least, most; how many variables; its type}
local of_ranges = {
    all = { "all", 1, 1, nil, "bool" }, exists = { "exists", 1, 1, nil, "bool" },
    exists_one = { "exists_one", 1, 1, nil, "bool" }, existsOne = { "exists_one", 1, 1, nil, "bool" },
    map = { "transform_list", 1, 2, 1, "list" }, filter = { "filter", 1, 1, 1, "list" },
    transformList = { "transform_list", 1, 2, 2, "list" }, transformMap = { "transform_map", 1, 2, 2, "map" },
}

-- The macro, and how many of the node's arguments are variables; nil where it is not a macro's form.
local function form_of(node)
    local macro = of_ranges[node.name]
    local count = #node.arguments
    if not macro then return nil end
    local variables = macro[4] or (count == 3 and 2 or 1)
    local bodies = count - variables
    if bodies < macro[2] or bodies > macro[3] then return nil end
    for i = 1, variables do
        if node.arguments[i].k ~= "name" then fail("a plain name was expected", node.arguments[i].pos) end
    end
    return macro, variables
end

-- The types of a macro's variables over that range: a list's item, a map's key; or index and item, key and value.
local function variable_types(range, variables)
    if range.type == "list" then
        if variables == 1 then return { range.item } end
        return { "int", range.item }
    end
    return { range.type == "map" and range.key or nil, range.type == "map" and range.item or nil }
end

-- Is this body one that must be a bool? All but what a map() or transform...() makes.
local function is_test(macro, index, bodies)
    return macro[3] == 1 or index == 1 and bodies == 2
end

local function over_range(context, node, scope, macro, variables)
    local range = generate(context, node.object, scope)
    if range.type ~= "dyn" and range.type ~= "list" and range.type ~= "map" then
        return impossible(context, ("%s() of %s: a list or map was expected"):format(node.name, range.type), node.pos)
    end
    local types, names, inner = variable_types(range, variables), {}, scope
    for i = 1, variables do
        inner, names[i] = code.declare(context, inner, node.arguments[i].name, types[i])
    end
    local bodies, count, item = {}, #node.arguments - variables, nil
    for i = 1, count do
        local argument = node.arguments[variables + i]
        local body = generate(context, argument, inner)
        if is_test(macro, i, count) and body.type ~= "bool" and body.type ~= "dyn" then
            return impossible(context, ("a bool was expected, not %s"):format(body.type), argument.pos)
        end
        bodies[i], item = ("function(%s) return %s end"):format(concat(names, ", "), body.code), body.type
    end
    if macro[1] == "filter" then item = range.type == "list" and range.item or nil end
    if macro[3] == 2 and count == 1 then insert(bodies, 1, "nil") end
    return piece(("R.%s(%d, %s, %s, %s)"):format(macro[1], node.pos, range.code,
        variables == 2 and "true" or "false", concat(bodies, ", ")), macro[5], true,
        item ~= "dyn" and macro[5] ~= "bool" and item or nil)
end

-- A body that sees its value as a name: a function in Lua, and what is known of what it gives.
local function with_name(context, name, body, scope, type, item)
    if name.k ~= "name" then fail("a plain name was expected", name.pos) end
    local inner, in_lua = code.declare(context, scope, name.name, type, item)
    local made = generate(context, body, inner)
    return ("function(%s) return %s end"):format(in_lua, made.code), made
end

local function bind(context, node, scope)
    if #node.arguments ~= 3 then fail("cel.bind takes a name, its value and an expression", node.pos) end
    local value = generate(context, node.arguments[2], scope)
    local body, made = with_name(context, node.arguments[1], node.arguments[3], scope, value.type, value.item)
    return piece(("R.bind(%s, %s)"):format(body, value.code), made.type, value.raises or made.raises, made.item)
end

local optional_makers = { of = "opt_of", none = "opt_none", ofNonZeroValue = "opt_of_non_zero" }

-- optional.of(value), optional.none(), ...
local function make_optional(context, node, scope)
    if #node.arguments ~= (node.name == "none" and 0 or 1) then
        return impossible(context, ("optional.%s: that is not its number of arguments"):format(node.name), node.pos)
    end
    local value = node.arguments[1] and generate(context, node.arguments[1], scope)
    return piece(("R.%s(%d, %s)"):format(optional_makers[node.name], node.pos, value and value.code or "nil"), values.OPTIONAL,
        value and value.raises, value and value.type ~= "dyn" and value.type or nil)
end

local optional_maps = { optMap = "opt_map", optFlatMap = "opt_flat_map" }

-- opt.optMap(v, expression), opt.optFlatMap(v, expression)
local function map_optional(context, node, scope)
    local object = generate(context, node.object, scope)
    if object.type ~= "dyn" and object.type ~= values.OPTIONAL then
        return impossible(context, ("%s of %s"):format(node.name, object.type), node.pos)
    end
    if #node.arguments ~= 2 then fail(node.name .. " takes a name and an expression", node.pos) end
    local body, made = with_name(context, node.arguments[1], node.arguments[2], scope, object.item)
    local flat = node.name == "optFlatMap"
    if flat and made.type ~= "dyn" and made.type ~= values.OPTIONAL then
        return impossible(context, ("optFlatMap: %s where %s is expected"):format(made.type, values.OPTIONAL),
            node.arguments[2].pos)
    end
    local item = flat and made.item or not flat and made.type ~= "dyn" and made.type or nil
    return piece(("R.%s(%d, %s, %s)"):format(optional_maps[node.name], node.pos, object.code, body), values.OPTIONAL, true,
        item)
end

local function quote(context, node, scope)
    local codes, types = {}, {}
    code.generate_all(context, node.arguments, scope, codes, types)
    if #codes ~= 1 then
        return impossible(context, ("strings.quote takes 1 argument(s), not %d"):format(#codes), node.pos)
    elseif types[1] ~= "dyn" and types[1] ~= "string" then
        return impossible(context, ("strings.quote of %s"):format(types[1]), node.arguments[1].pos)
    end
    return piece(("R.quote(%d, %s)"):format(node.pos, codes[1]), "string", true)
end

--- A method call that is one of these; nil: it is none.
function macros.call(context, node, scope)
    local macro, variables = form_of(node)
    if macro then return over_range(context, node, scope, macro, variables) end
    if of_ranges[node.name] then
        return impossible(context, node.name .. " takes a name, and an expression in which it stands", node.pos)
    end
    if optional_maps[node.name] then return map_optional(context, node, scope) end
    local on = code.dotted(node.object)
    if on and code.local_of(scope, code.head(node.object)) then return nil end
    if on == "cel" and node.name == "bind" then return bind(context, node, scope) end
    if on == "optional" and optional_makers[node.name] then return make_optional(context, node, scope) end
    if on == "strings" and node.name == "quote" then return quote(context, node, scope) end
end

return macros
