--- route.regex and route.cel: rules made of a condition and destinations.
--
--   return route.regex { subject = "/^\\[urgent\\]/i", body = "outage", to = "https://ops.example/hook" }
--   return route.cel { when = "size > 1000000 && !tls", to = "https://big.example/hook" }

local regex = require "mxhook.core".regex
local rule = require "mxhook.rule"

local ipairs, next, pcall, require, tostring, type = ipairs, next, pcall, require, tostring, type
local concat = table.concat

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

local fields = {
    { "recipient", function(msg) return msg.envelope.address end },
    { "sender", function(msg) return msg.envelope.sender end },
    { "subject", function(msg) return msg.subject end },
    { "body", function(msg) return msg.text end, function(msg) return msg.html end },
}

local function check_table(name, given, known)
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
    if given.to == nil then rule.fail(nil, name .. ": `to` is missing: where the mail goes") end
    rule.check_answer(nil, name .. ": to", given.to)
end

local function match_any(tests, msg)
    for _, test in ipairs(tests) do
        for i = 2, #test do
            local text = test[i](msg)
            if text and test[1]:exec(text) then return true end
        end
    end
    return false
end

--- Answers `to` where any of the fields named matches its pattern.
function matchers.regex(given)
    check_table("route.regex", given, { "recipient", "sender", "subject", "body", "to" })
    local tests = {}
    for _, field in ipairs(fields) do -- the cheap ones first
        if given[field[1]] ~= nil then
            tests[#tests + 1] = { compile(field[1], given[field[1]]), field[2], field[3] }
        end
    end
    if #tests == 0 then
        rule.fail(nil, "route.regex: it names no field: recipient, sender, subject, body")
    end
    local to = given.to
    return rule.new {
        source = rule.where(),
        answer = function(msg)
            if match_any(tests, msg) then return to end
        end,
    }
end

--- Answers `to` where the expression is true.
function matchers.cel(given)
    check_table("route.cel", given, { "when", "to" })
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
