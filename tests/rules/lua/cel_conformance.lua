-- Runs the official CEL conformance tests; fails with a list of those that do not pass.
local path = ...

local cjson = require "cjson"
local compile = require "mxhook.cel.compile"
local values = require "mxhook.cel.values"
local convert = require "mxhook.cel.convert"

local function read(typed)
    local kind, v = next(typed)
    if kind == "int" then return convert.int(0, v) end
    if kind == "uint" then return convert.uint(0, v) end
    if kind == "double" then return convert.double(0, v) end
    if kind == "null" then return values.null end
    if kind == "type" then return values.type_named(v) end
    if kind == "bytes" then
        for i, byte in ipairs(v) do v[i] = string.char(byte) end
        return values.bytes(table.concat(v))
    end
    if kind == "list" then
        for i, item in ipairs(v) do v[i] = read(item) end
        return values.list(v)
    end
    if kind == "map" then
        local entries = {}
        for _, pair in ipairs(v) do
            entries[#entries + 1] = read(pair[1])
            entries[#entries + 1] = read(pair[2])
        end
        return values.map(entries)
    end
    return v
end

local function same(a, b)
    if values.kind_of(a) ~= values.kind_of(b) then return false end
    if type(a) == "number" then return a == b and 1 / a == 1 / b or a ~= a and b ~= b end
    return values.equal(a, b)
end

local function evaluate(test)
    local variables, bound = {}, {}
    for name, typed in pairs(test.bindings or {}) do
        variables[name] = { code = ("V[%q]"):format(name), type = "dyn" }
        bound[name] = read(typed)
    end
    return compile(test.expr, variables)(bound)
end

local total, failed, sections = 0, {}, {}
for line in io.lines(path) do
    local test = cjson.decode(line)
    total = total + 1
    local ok, result = pcall(evaluate, test)
    local good
    if test.error then
        good = not ok and type(result) == "table" and result.cel ~= nil
    else
        good = ok and same(result, read(test.value))
    end
    sections[test.file] = (sections[test.file] or 0) + (good and 1 or 0)
    if not good then
        local got = ok and convert.text(result) or type(result) == "table" and result.cel or tostring(result)
        failed[#failed + 1] = ("%s/%s/%s: %s -> %s, not %s"):format(test.file, test.section, test.name,
            test.expr, got, test.error and "an error" or cjson.encode(test.value))
    end
end
if #failed > 0 then
    error(("%d of %d fail:\n%s"):format(#failed, total, table.concat(failed, "\n")), 0)
end
local names = {}
for name, count in pairs(sections) do names[#names + 1] = name .. " " .. count end
table.sort(names)
print("    " .. table.concat(names, ", "))
return total
