--- CEL's grammar, in LPeg: text to a tree of {k = kind, pos = place, ...}.

local lpeg = require "lpeg"
local convert = require "mxhook.cel.convert"
local values = require "mxhook.cel.values"

local ipairs, select, tonumber = ipairs, select, tonumber
local concat, remove, char_of, floor = table.concat, table.remove, string.char, math.floor

local P, R, S, V, C, Cc, Cp, Ct, Cf, Cg, Cmt = lpeg.P, lpeg.R, lpeg.S, lpeg.V, lpeg.C, lpeg.Cc, lpeg.Cp,
    lpeg.Ct, lpeg.Cf, lpeg.Cg, lpeg.Cmt

lpeg.setmaxstack(20000) -- entries; a level of an expression takes some 40

local fail = values.fail

-- The furthest place where a token was looked for: that is where a text that does not parse is wrong.
local furthest
local mark = P(function(_, at)
    if at > furthest then furthest = at end
    return at
end)

local blank = (S " \t\r\n\f" + P "//" * (1 - P "\n") ^ 0) ^ 0 * mark
local letter, digit, hex = R("az", "AZ") + "_", R "09", R("09", "af", "AF")
local word_end = -(letter + digit)

local function symbol(text) return P(text) * blank end

-- Literals ------------------------------------------------------------------------------------

local function utf8(code, pos)
    if code > 0x10FFFF or code >= 0xD800 and code < 0xE000 then fail("not a Unicode character", pos) end
    if code < 0x80 then return char_of(code) end
    local tail = {}
    local first = code < 0x800 and 0xC0 or code < 0x10000 and 0xE0 or 0xF0
    for i = code < 0x800 and 1 or code < 0x10000 and 2 or 3, 1, -1 do
        tail[i] = char_of(0x80 + code % 64)
        code = floor(code / 64)
    end
    return char_of(first + code) .. concat(tail)
end

local simple = { a = "\a", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v", ["\\"] = "\\",
    ["?"] = "?", ['"'] = '"', ["'"] = "'", ["`"] = "`" }

-- \x and octal are a byte in bytes, a character in strings.
local function unescape(text, is_bytes, pos)
    local pieces, at = {}, 1
    while true do
        local slash = text:find("\\", at, true)
        pieces[#pieces + 1] = text:sub(at, (slash or 0) - 1)
        if not slash then return concat(pieces) end
        local char, rest = text:sub(slash + 1, slash + 1), text:sub(slash + 1, slash + 10)
        local digits = rest:match("^[xX](%x%x)") or rest:match("^u(%x%x%x%x)")
            or rest:match("^U(%x%x%x%x%x%x%x%x)")
        local octal = rest:match("^[0-3][0-7][0-7]")
        if simple[char] then
            pieces[#pieces + 1] = simple[char]
            at = slash + 2
        elseif (digits or octal) and not (is_bytes and char:lower() == "u") then
            local code = digits and tonumber(digits, 16) or tonumber(octal, 8)
            pieces[#pieces + 1] = is_bytes and char_of(code) or utf8(code, pos)
            at = slash + (digits and #digits + 2 or 4)
        else
            fail("unknown escape \\" .. char, pos)
        end
    end
end

local function string_node(pos, prefix, text)
    prefix = prefix:lower()
    local is_bytes = prefix:find("b", 1, true) ~= nil
    if not prefix:find("r", 1, true) then text = unescape(text, is_bytes, pos) end
    return { k = "lit", pos = pos, type = is_bytes and "bytes" or "string",
        value = is_bytes and values.bytes(text) or text }
end

local function body(quote, raw)
    local plain = #quote == 3 and 1 - P(quote) or 1 - (P(quote) + S "\r\n")
    if not raw then plain = P "\\" * 1 + (plain - P "\\") end
    return P(quote) * C(plain ^ 0) * P(quote)
end

local function quoted(raw)
    return body('"""', raw) + body("'''", raw) + body('"', raw) + body("'", raw)
end

local bytes_prefix = S "bB"
local string_literal = Cp() * (C(S "rR" * bytes_prefix ^ -1 + bytes_prefix * S "rR") * quoted(true)
    + C(bytes_prefix ^ -1) * quoted(false)) / string_node

local function integer_node(pos, sign, base, digits, suffix)
    local number
    if base == "0x" then
        number = #digits:gsub("^0+", "") <= 16 and values.uint64(0) or nil
        for char in number and digits:gmatch(".") or function() end do
            number = number * 16 + tonumber(char, 16)
        end
    else
        number = convert.digits(digits)
    end
    local limit = suffix ~= "" and values.UINT_MAX
        or values.uint64(values.INT_MAX) + (sign == "-" and 1 or 0)
    if not number or number > limit or suffix ~= "" and sign == "-" then
        fail("a number out of range", pos)
    end
    if suffix ~= "" then return { k = "lit", pos = pos, type = "uint", value = number } end
    local int = values.int64(number)
    return { k = "lit", pos = pos, type = "int", value = sign == "-" and -int or int }
end

local function double_node(pos, sign, digits)
    local number = tonumber(digits)
    return { k = "lit", pos = pos, type = "double", value = sign == "-" and -number or number }
end

local exponent = S "eE" * S "+-" ^ -1 * digit ^ 1
local double = digit ^ 0 * "." * digit ^ 1 * exponent ^ -1 + digit ^ 1 * exponent
local sign = C(P "-") * blank + Cc ""
local number = Cp() * sign * C(double) / double_node
    + Cp() * sign * (P "0x" * Cc "0x" * C(hex ^ 1) + Cc "" * C(digit ^ 1)) * C(S "uU" ^ -1) * word_end
        / integer_node

-- Names ---------------------------------------------------------------------------------------

local words = P(false)
for word in ("true false null in as break const continue else for function if import let loop package "
    .. "namespace return var void while"):gmatch("%a+") do
    words = words + P(word)
end

local any_name = C(letter * (letter + digit) ^ 0) * blank
local name = any_name - words * word_end
local field = any_name + P "`" * C((1 - S "`\r\n") ^ 1) * "`" * blank

local constants = { ["true"] = true, ["false"] = false, null = values.null }

local function constant_node(pos, word)
    return { k = "lit", pos = pos, value = constants[word], type = word == "null" and "null_type" or "bool" }
end

local constant = Cp() * C(P "true" + "false" + "null") * word_end / constant_node

-- Expressions ---------------------------------------------------------------------------------

local function node(kind, ...)
    local fields = { ... }
    return function(pos, ...)
        local made = { k = kind, pos = pos }
        for i, key in ipairs(fields) do made[key] = (select(i, ...)) end
        return made
    end
end

local function binary(left, pos, op, right)
    return { k = "bin", pos = pos, op = op, left = left, right = right }
end

-- All operands of a chain of && or || in one node: so a long chain is not deep.
local function chain(kind)
    return function(pos, items)
        if #items == 1 then return items[1] end
        return { k = kind, pos = pos, items = items }
    end
end

local function postfix(object, suffix)
    suffix.object = object
    return suffix
end

local function conditional(pos, condition, yes, no)
    if yes == nil then return condition end
    return { k = "cond", pos = pos, condition = condition, yes = yes, no = no }
end

local function operators(operand, ops)
    return Cf(operand * Cg(Cp() * C(ops) * blank * operand) ^ 0, binary)
end

local function list_of(item) return Ct((item * (symbol "," * item) ^ 0 * symbol "," ^ -1) ^ -1) end

-- [?item] and {?key: value}: the item, or the value, is an optional.
local function optional(...)
    local count = select("#", ...)
    select(count, ...).optional = true
    return ...
end

local function may_be_optional(item) return symbol "?" * item / optional + item end

-- The tree of what stands inside of something is made at once: LPeg nests captures no deeper than 200.
local function now(_, at, tree) return at, tree end

local arguments = symbol "(" * Ct((V "inner" * (symbol "," * V "inner") ^ 0) ^ -1) * symbol ")"

local grammar = P {
    blank * V "expr" * -1,
    inner = Cmt(V "expr", now),
    expr = Cp() * V "either" * (symbol "?" * V "either" * symbol ":" * V "inner") ^ -1 / conditional,
    either = Cp() * Ct(V "both" * (symbol "||" * V "both") ^ 0) / chain "or",
    both = Cp() * Ct(V "relation" * (symbol "&&" * V "relation") ^ 0) / chain "and",
    relation = operators(V "sum", P "<=" + ">=" + "==" + "!=" + "<" + ">" + P "in" * word_end),
    sum = operators(V "product", S "+-"),
    product = operators(V "unary", S "*/%"),
    unary = Cp() * symbol "!" * V "unary" / node("not", "value") + number * blank * V "suffixes"
        / function(object, suffixes)
            for _, suffix in ipairs(suffixes) do object = postfix(object, suffix) end
            return object
        end + Cp() * symbol "-" * V "unary" / node("neg", "value") + V "member",
    member = Cf(V "primary" * V "suffix" ^ 0, postfix),
    suffixes = Ct(V "suffix" ^ 0),
    suffix = Cp() * symbol "." * any_name * arguments / node("method", "name", "arguments")
        + Cp() * symbol "." * symbol "?" * field / node("optselect", "field")
        + Cp() * symbol "." * field / node("select", "field")
        + Cp() * symbol "[" * symbol "?" * V "inner" * symbol "]" / node("optindex", "index")
        + Cp() * symbol "[" * V "inner" * symbol "]" / node("index", "index"),
    primary = (string_literal + constant + number) * blank
        + Cp() * (symbol "." ^ -1) * name * arguments / node("call", "name", "arguments")
        + Cp() * (symbol "." ^ -1) * name / node("name", "name")
        + symbol "(" * V "inner" * symbol ")"
        + Cp() * symbol "[" * list_of(may_be_optional(V "inner")) * symbol "]" / node("list", "items")
        + Cp() * symbol "{" * list_of(may_be_optional(V "inner" * symbol ":" * V "inner")) * symbol "}"
            / node("map", "items"),
}

-- How deep may things stand in each other? LPeg has a limit of its own, in words of its own; this one is below it. Every opening bracket, every '!' or '-' in a row and every '?' is a
-- level; what stands in quotes or after "//" is none.
local MAX_NESTING = 100

local skip = (P "//" * (1 - P "\n") ^ 0 + S "rR" ^ -1 * S "bB" ^ -1 * (quoted(false) + quoted(true))) / 0 * Cp()

-- What each character does to the number of levels: `levels` has one number for each open bracket, and one for the
-- outside, of the '?' in it. `before` is the last one that is no blank: the '?' of an optional is no level.
local function count(levels, char, before)
    local last = #levels
    if char == "(" or char == "[" or char == "{" then
        levels[last + 1] = 0
        return 1
    elseif char == ")" or char == "]" or char == "}" then
        if last == 1 then return 0 end -- the grammar says more of it
        return -1 - remove(levels)
    elseif char == "," then
        local questions = levels[last]
        levels[last] = 0
        return -questions
    elseif char == "?" and not before:find("[.%[{,]") then
        levels[last] = levels[last] + 1
        return 1
    end
    return 0
end

local function check_nesting(text)
    local levels, depth, signs, before, solid, at = { 0 }, 0, 0, "", "", 1
    while at <= #text do
        local char = text:sub(at, at)
        local after = char:find("[/\"'rRbB]") and not before:find("[%w_]") and skip:match(text, at)
        if not after then
            depth = depth + count(levels, char, solid)
            if (char == "!" and text:sub(at + 1, at + 1) ~= "=") or char == "-" then
                signs = signs + 1
            elseif not char:find("%s") then
                signs = 0
            end
        end
        if depth + signs > MAX_NESTING then
            fail(("more than %d levels in each other, at %s"):format(MAX_NESTING, values.place(text, at)), at)
        end
        before, at = after and "" or char, after or at + 1
        if not before:find("^%s$") then solid = before end
    end
end

--- The tree of an expression; raises {cel = text, pos = place}.
return function(text)
    check_nesting(text)
    furthest = 1
    local tree = grammar:match(text)
    if not tree then
        local found = text:sub(furthest):match("^%S+")
        fail(found and ("'%s' was not expected"):format(found:sub(1, 20)) or "it ends too early", furthest)
    end
    return tree
end
