--- route.regex and route.cel: rules made of a condition and destinations.
--
--   return route.regex { subject = "/^\\[urgent\\]/i", body = "outage", to = "https://ops.example/hook" }
--   return route.regex { all = { to = "sales@", headers = { ["X-Order"] = "^(\\d+)$" } }, to = "https://o.example/$1" }
--   return route.cel { when = "size > 1000000 && !tls", to = "https://big.example/hook" }

local groups = require "mxhook.groups"
local regex = require "mxhook.core".regex
local rule = require "mxhook.rule"

local ipairs, next, pcall, require, select, tostring, type = ipairs, next, pcall, require, select, tostring, type
local concat, sort = table.concat, table.sort

local matchers = {}

-- A pattern as it stands, or between slashes with flags after them.
local function compile(field, text)
    if type(text) ~= "string" then
        rule.fail(nil, ("route.regex: %s: a pattern was expected, not a %s"):format(field, type(text)))
    end
    local pattern, flags = text:match("^/(.*)/(%a*)$")
    local ok, code = pcall(regex.compile, pattern or text, flags or "")
    if not ok then rule.fail(nil, ("route.regex: %s: %s"):format(field, code)) end
    return code
end

local function addresses(list)
    local texts = {}
    for i = 1, #list do
        local box = list[i]
        texts[i] = (box.name and box.name .. " " or "") .. "<" .. (box.email or "") .. ">"
    end
    return concat(texts, ", ")
end

-- What a field is matched against: one text, or several. The cheap ones first.
local fields = {
    { "recipient", function(msg) return msg.envelope.address end },
    { "sender", function(msg) return msg.envelope.sender end },
    { "subject", function(msg) return msg.subject end },
    { "from", function(msg) return addresses { msg.from } end },
    { "to", function(msg) return addresses(msg.to) end },
    { "cc", function(msg) return addresses(msg.cc) end },
    { "body", function(msg) return msg.text end, function(msg) return msg.html end },
}

local function check_fields(name, given, known)
    if type(given) ~= "table" then
        rule.fail(nil, ("%s: a table was expected, not a %s"):format(name, type(given)))
    end
    for key in next, given do
        local found
        for _, other in ipairs(known) do found = found or other == key end
        if not found then
            rule.fail(type(key) == "string" and key, ("%s: there is no '%s'; there is %s%s"):format(name,
                tostring(key), concat(known, ", "),
                type(key) == "string" and rule.suggest(key, known) or ""))
        end
    end
end

local function check_to(name, given)
    if given.to == nil then rule.fail(nil, name .. ": `to` is missing: where the mail goes") end
    rule.check_answer(nil, name .. ": to", groups.substitute(given.to, function() return "1" end))
end

-- A test: the compiled pattern, and functions of msg that give the texts it may match; or nil.
local function test_of(pattern, field, ...)
    return { compile(field, pattern), ... }
end

local function header_text(name)
    return function(msg) return concat(msg.headers:all(name), "\n") end
end

-- The tests of a table's fields, in the order of `fields`, then headers by name.
local function read_tests(given, without_to)
    local tests = {}
    for _, field in ipairs(fields) do
        if given[field[1]] ~= nil and not (without_to and field[1] == "to") then
            tests[#tests + 1] = test_of(given[field[1]], field[1], field[2], field[3])
        end
    end
    local names = {}
    for name in next, type(given.headers) == "table" and given.headers or {} do
        if type(name) ~= "string" then
            rule.fail(nil, "route.regex: headers: names of headers were expected, not a " .. type(name))
        end
        names[#names + 1] = name
    end
    if given.headers ~= nil and #names == 0 then
        rule.fail(nil, "route.regex: headers: a table {name = pattern} was expected")
    end
    sort(names)
    for _, name in ipairs(names) do
        tests[#tests + 1] = test_of(given.headers[name], "headers: " .. name, header_text(name))
    end
    return tests
end

-- What the first text matched that does: first, last, groups...; nil: none.
local function exec(test, msg)
    for i = 2, #test do
        local text = test[i](msg)
        local found = text and { test[1]:exec(text) }
        if found and found[1] then return found end
    end
end

-- Appends what matched to `matched`, as {code, groups}. Every test must match, or one.
local function match(tests, every, msg, matched)
    for _, test in ipairs(tests) do
        local found = exec(test, msg)
        if found then matched[#matched + 1] = { test[1], found } end
        if found and not every then return true end
        if not found and every then return false end
    end
    return every
end

-- A group by number: of the first pattern that matched and has it; by name: of the first that has it.
local function group_of(matched)
    return function(name)
        for _, each in ipairs(matched) do
            local number = type(name) == "number" and name or each[1]:names()[name]
            local text = number and number <= each[1]:groups() and each[2][number + 2]
            if text then return text end
        end
        return ""
    end
end

local regex_fields = { "recipient", "sender", "subject", "body", "from", "cc", "headers", "all", "any", "to" }
local inner_fields = { "recipient", "sender", "subject", "body", "from", "to", "cc", "headers" }

local function read_inner(given, name)
    if given[name] == nil then return nil end
    check_fields("route.regex: " .. name, given[name], inner_fields)
    local tests = read_tests(given[name], false)
    if #tests == 0 then rule.fail(nil, ("route.regex: %s: it names no field"):format(name)) end
    return tests
end

local function codes_of(...)
    local codes = {}
    for i = 1, select("#", ...) do
        for _, test in ipairs((select(i, ...)) or {}) do codes[#codes + 1] = test[1] end
    end
    return codes
end

--- Answers `to` where any of the fields named matches its pattern, which may match anywhere in it; with `all = {...}`,
-- where each of those does. $1, ${name} in `to`: what the patterns' groups matched.
function matchers.regex(given)
    check_fields("route.regex", given, regex_fields)
    check_to("route.regex", given)
    local any, all = read_tests(given, true), read_inner(given, "all")
    for _, test in ipairs(read_inner(given, "any") or {}) do any[#any + 1] = test end
    if #any == 0 and not all then
        rule.fail(nil, "route.regex: it names no field: recipient, sender, subject, body, from, cc, headers, or those "
            .. "in all = {...} or any = {...}")
    end
    local count, names = groups.of(codes_of(any, all))
    local to, refers = given.to, groups.any(given.to)
    local wrong = groups.check(to, count, names)
    if wrong then rule.fail(nil, "route.regex: to: " .. wrong) end
    return rule.new {
        source = rule.where(),
        answer = function(msg)
            local matched = {}
            if all and not match(all, true, msg, matched) then return nil end
            if #any > 0 and not match(any, false, msg, matched) then return nil end
            if not refers then return to end
            local value = groups.substitute(to, group_of(matched))
            if not groups.has_dot_segment(value) then return value end
        end,
    }
end

--- Answers `to` where the expression is true.
function matchers.cel(given)
    check_fields("route.cel", given, { "when", "to" })
    check_to("route.cel", given)
    local wrong = groups.any(given.to) and "groups, as $1, are those of patterns, and here is none; a dollar sign itself is %24"
        or groups.check(given.to, 0, {})
    if wrong then rule.fail(nil, "route.cel: to: " .. wrong) end
    if type(given.when) ~= "string" then
        rule.fail(nil, "route.cel: when: an expression was expected, not a " .. type(given.when))
    end
    -- loaded here, so that rules without CEL do not pay for it
    local ok, test = pcall(require "mxhook.cel".compile, given.when)
    if not ok then rule.fail(given.when, "route.cel: when: " .. test) end
    local to = given.to
    return rule.new {
        source = rule.where(),
        answer = function(msg)
            if test(msg) then return to end
        end,
    }
end

return matchers
