--- What CEL's compiler is made of: pieces of generated code, names, and the one place that goes on with a node.
--
-- Each piece of code comes with what is known of it: its type ("dyn": nothing), the type of what is in it, and whether it can
-- raise. So && and || need a pcall only around operands that can, and operators on values whose types are known become Lua's
-- own.
--
-- kinds        by a node's kind, what makes its code: (context, node, scope) -> piece; filled by the files of the compiler
-- scope        the names that macros declare: pieces by name, and `parent`

local values = require "mxhook.cel.values"

local pairs, tostring = pairs, tostring
local concat, max = table.concat, math.max

local fail = values.fail

local code = { kinds = {} }

--- An expression of Lua, its CEL type, can it raise, and the type of a list's items or a map's values.
function code.piece(text, type, raises, item)
    return { code = text, type = type or "dyn", raises = raises, item = item }
end
local piece = code.piece

--- What can never work is an error at once where the caller wants that; else when it is evaluated, since && and || may
-- absorb it.
function code.impossible(context, text, pos)
    if context.strict then fail(text, pos) end
    return piece(("R.raise(%q, %d)"):format(text, pos), "dyn", true)
end

--- The node's value where it is a literal of that type; else nil.
function code.literal_value(node, type)
    if node and node.k == "lit" and node.type == type then return node.value end
end

function code.constant(context, value)
    context.constants[#context.constants + 1] = value
    return ("K[%d]"):format(#context.constants)
end

function code.literal(context, node)
    if node.type == "string" then return piece(("%q"):format(node.value), "string") end
    if node.type == "bool" then return piece(tostring(node.value), "bool") end
    return piece(code.constant(context, node.value), node.type)
end

--- "a.b.c" where the node is a name or a selection of one by plain names; nil
function code.dotted(node)
    if node.k == "name" then return node.name end
    if node.k ~= "select" then return nil end
    local object = code.dotted(node.object)
    return object and object .. "." .. node.field
end

--- The first name of a dotted one.
function code.head(node)
    while node.k == "select" do node = node.object end
    return node.name
end

--- A macro's variable of that name, or nil.
function code.local_of(scope, name)
    while scope do
        if scope.names[name] then return scope.names[name] end
        scope = scope.parent
    end
end

--- A scope with one more name, whose value has that type; and its name in Lua.
function code.declare(context, scope, name, type, item)
    context.locals = context.locals + 1
    local in_lua = "v" .. context.locals
    return { parent = scope, names = { [name] = piece(in_lua, type, false, item) } }, in_lua
end

-- Lua's names of the variables that can be seen in a scope, behind V.
local function parameters(scope)
    local names, seen = { "V" }, {}
    while scope do
        for name, made in pairs(scope.names) do
            if not seen[name] then names[#names + 1] = made.code end
            seen[name] = true
        end
        scope = scope.parent
    end
    return concat(names, ", ")
end

-- Levels of an expression that stand in one function of Lua: LuaJIT's parser takes 200 of its own, some five of them for
-- one of ours.
local MAX_HEIGHT = 16

-- Puts the code into a function of its own, and calls that.
local function hoist(context, made, scope)
    local names, hoisted = parameters(scope), context.hoisted
    hoisted[#hoisted + 1] = ("Z[%d] = function(%s) return %s end"):format(#hoisted + 1, names, made.code)
    made.code = ("Z[%d](%s)"):format(#hoisted, names)
end

local MAX_DEPTH = 1000 -- of the tree; parse.lua bounds what stands in brackets, this a chain of operators or methods

--- The code of a node. The height of what it has below it is in context.height then.
function code.generate(context, node, scope)
    local height = context.height
    context.depth, context.height = context.depth + 1, 0
    if context.depth > MAX_DEPTH then
        fail(("more than %d operators or methods in a row, at %s"):format(MAX_DEPTH, context.place(node.pos)), node.pos)
    end
    local made = code.kinds[node.k](context, node, scope)
    context.depth, context.height = context.depth - 1, context.height + 1
    if context.height >= MAX_HEIGHT then
        hoist(context, made, scope)
        context.height = 1
    end
    context.height = max(height, context.height)
    return made
end

--- Appends the code and the types of several nodes; true where one of them can raise.
function code.generate_all(context, nodes, scope, codes, types)
    local raises = false
    for i = 1, #nodes do
        local made = code.generate(context, nodes[i], scope)
        codes[#codes + 1], types[#types + 1] = made.code, made.type
        raises = raises or made.raises
    end
    return raises
end

--- The type that all of some pieces have, or "dyn".
function code.common(types)
    for i = 2, #types do
        if types[i] ~= types[1] then return "dyn" end
    end
    return types[1] or "dyn"
end

return code
