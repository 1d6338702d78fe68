--- CEL's operators, as code; and what is known of them when both types are.

local code = require "mxhook.cel.code"
local values = require "mxhook.cel.values"

local ipairs, concat = ipairs, table.concat

local fail = values.fail
local piece, impossible, generate, kinds = code.piece, code.impossible, code.generate, code.kinds

local TIME, SPAN = "google.protobuf.Timestamp", "google.protobuf.Duration"

kinds["not"] = function(context, node, scope)
    local value = generate(context, node.value, scope)
    if value.type == "bool" then return piece(("(not %s)"):format(value.code), "bool", value.raises) end
    if value.type ~= "dyn" then return impossible(context, "'!' of " .. value.type, node.pos) end
    return piece(('R["not"](%s, %d)'):format(value.code, node.pos), "bool", true)
end

function kinds.neg(context, node, scope)
    local value = generate(context, node.value, scope)
    if value.type ~= "int" and value.type ~= "double" and value.type ~= "dyn" then
        return impossible(context, "'-' of " .. value.type, node.pos)
    end
    return piece(("R.neg(%s, %d)"):format(value.code, node.pos), value.type, true)
end

function kinds.cond(context, node, scope)
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
        no.code), type, condition.raises or condition.type ~= "bool" or yes.raises or no.raises,
        yes.item == no.item and yes.item or nil)
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
kinds["and"], kinds["or"] = junction("and", "all_of"), junction("or", "any_of")

local op_names = { ["+"] = "add", ["-"] = "sub", ["*"] = "mul", ["/"] = "div", ["%"] = "mod", ["<"] = "lt",
    ["<="] = "le", [">"] = "gt", [">="] = "ge", ["=="] = "eq", ["!="] = "ne", ["in"] = "in" }
local lua_ops = { ["<"] = "<", ["<="] = "<=", [">"] = ">", [">="] = ">=", ["=="] = "==", ["!="] = "~=" }
local ordered = { ["<"] = true, ["<="] = true, [">"] = true, [">="] = true }
local native = { string = true, int = true, uint = true, double = true }
local unordered = { list = true, map = true, null_type = true, type = true, [values.OPTIONAL] = true }
local number = { int = true, uint = true, double = true }

-- What a sum or a difference of these types is; nil: there is none.
local sums = { ["+"] = { int = "int", uint = "uint", double = "double", string = "string", bytes = "bytes", list = "list" },
    ["-"] = { int = "int", uint = "uint", double = "double" } }

local function sum_of(op, a, b)
    if a == b and sums[op][a] then return sums[op][a] end
    if a == TIME and b == SPAN or op == "+" and a == SPAN and b == TIME then return TIME end
    if a == SPAN and b == SPAN or op == "-" and a == TIME and b == TIME then return SPAN end
end

-- Is an operator on these two types always an error?
local function never_works(op, a, b)
    if op == "in" and b ~= "dyn" then return b ~= "list" and b ~= "map" end
    if a == "dyn" or b == "dyn" then return false end
    if ordered[op] then
        return unordered[a] or unordered[b] or a ~= b and not (number[a] and number[b])
    end
    if op == "%" and a == "double" then return true end
    if op == "*" or op == "/" or op == "%" then return a ~= b or not number[a] end
    if op == "+" or op == "-" then return not sum_of(op, a, b) end
    return false
end

-- Two types that are both known, and of which no value is equal to one of the other. CEL's equality knows all types,
-- but who compares these has made a mistake.
local function never_equal(a, b)
    if a == "dyn" or b == "dyn" or a == b or a == "null_type" or b == "null_type" then return false end
    return not (number[a] and number[b])
end

-- Raises where a comparison can only come out one way.
local function check_equality(op, left, right, pos)
    local a, b = left.type, right.type
    if op == "in" and b == "list" and right.item and never_equal(a, right.item) then
        fail(("'in' of %s and a list of %s is always false"):format(a, right.item), pos)
    end
    if (op == "==" or op == "!=") and never_equal(a, b) then
        fail(("'%s' of %s and %s is always %s"):format(op, a, b, op == "==" and "false" or "true"), pos)
    end
end

local function type_of(op, a, b)
    if lua_ops[op] or op == "in" then return "bool" end
    if a == "dyn" or b == "dyn" then return "dyn" end
    return (op == "+" or op == "-") and sum_of(op, a, b) or a
end

function kinds.bin(context, node, scope)
    local left, right = generate(context, node.left, scope), generate(context, node.right, scope)
    local op, a, b = node.op, left.type, right.type
    local raises = left.raises or right.raises
    if never_works(op, a, b) then
        return impossible(context, ("'%s' of %s and %s"):format(op, a, b), node.pos)
    end
    local divisor = (op == "/" or op == "%") and (code.literal_value(node.right, "int") or code.literal_value(node.right, "uint"))
    if divisor and divisor == 0 and a ~= "dyn" then
        return impossible(context, (op == "/" and "division" or "modulus") .. " by zero", node.pos)
    end
    if context.strict then check_equality(op, left, right, node.pos) end
    if lua_ops[op] and a == b and native[a] then
        return piece(("(%s %s %s)"):format(left.code, lua_ops[op], right.code), "bool", raises)
    end
    if op == "+" and a == "string" and b == "string" then
        return piece(("(%s .. %s)"):format(left.code, right.code), "string", raises)
    end
    local safe = op == "==" or op == "!="
    return piece(("R[%q](%s, %s, %d)"):format(op_names[op], left.code, right.code, node.pos), type_of(op, a, b),
        raises or not safe, a == "list" and left.item == right.item and left.item or nil)
end
