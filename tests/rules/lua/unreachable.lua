-- What `mxhook check` says of aliases that load and can answer nobody: each kind, and what is close to it. Returns how many
-- rows there were.
local alias = require "mxhook.alias"
local route = require "mxhook.route"
local rule = require "mxhook.rule"
local unreachable = require "mxhook.unreachable"

local count = 0

-- The rules in order, each a table of aliases, or parts as they are; and all that is said, "|" between the lines.
local function check(domains, rules, expected)
    local all = {}
    for i, given in ipairs(rules) do
        local parts = given.parts
        if not parts then
            parts = rule.parts(alias(given))
            parts.source = i .. "0.lua:1"
        end
        all[i] = parts
    end
    rule.set_all(all)
    local said = unreachable(domains):gsub("\n", "|")
    count = count + 1
    if said ~= expected then error(("%d: %q, and %q was expected"):format(count, said, expected), 0) end
end

local NOBODY, NONE = "10.lua:1: '%s' can match nobody: '%s' is none of the configuration's domains%s", "domains: %s: no rule can "
    .. "match an address there: all its mail is refused"
local BEFORE = "20.lua:1: '%s' is answered by 10.lua:1 ('%s') before: this one is never asked"

-- ---- Hosts that mail is not taken for ----

for _, row in ipairs {
    { "a@example.com" }, { "a@EXAMPLE.com" }, { "a@x.example.org" }, { "a@x.y.example.org" }, { "*@example.com" }, { "*@x.example.org" },
    { "a-*@example.com" }, { "(*)@example.com" }, { "a@*" }, { "a@*.com" }, { "*@*" }, { "*@*.example.org" }, { "/^a@example\\.com$/" },
    { "/^a@example\\.com$/i" }, { "/^a@.*$/" }, { "/^a@exmaple.com$/" }, { "/a/" }, { "/^a@exmaple\\.com/" }, { "a@*.example.com" }, { "*@xx*" },
    { "a@exmaple.com", "exmaple.com", " (did you mean 'example.com'?)" }, { "a@example.org", "example.org", " (did you mean '*.example.org'?)" }, { "a@xexample.org", "xexample.org", " (did you mean '*.example.org'?)" },
    { "*@other.test", "other.test", "" }, { "/^a@exmaple\\.com$/", "exmaple.com", " (did you mean 'example.com'?)" },
    { "/^a@exmaple\\.com$/i", "exmaple.com", " (did you mean 'example.com'?)" }, { "a@.example.org", ".example.org", " (did you mean '*.example.org'?)" },
} do
    local domains = { "example.com", "*.example.org" }
    check(domains, { { ["b@example.com"] = "null", ["b@x.example.org"] = "null" }, { [row[1]] = "null" } },
        row[2] and (NOBODY:format(row[1], row[2], row[3]):gsub("^10", "20")) or "")
end
check({ "example.com" }, { { ["*@*.example.com"] = "null", ["a@example.com"] = "null" } }, NOBODY:format("*@*.example.com", "*.example.com",
    " (did you mean 'example.com'?)"))
check({ "example.com" }, { { ["*@exa*e.com"] = "null" } }, "")
check({ "example.com" }, { { ["*@exa*x.com"] = "null", ["a@example.com"] = "null" } }, NOBODY:format("*@exa*x.com", "exa*x.com", ""))
check({ "xn--bcher-kva.example" }, { { ["a@b\195\188cher.example"] = "null" } }, "")

-- Twenty of a kind are said, and how many more there are.
for _, number in ipairs { 19, 20, 21, 25 } do
    local aliases, expected = { ["a@example.com"] = "null" }, {}
    for i = 1, number do
        local key = ("a%02d@other.test"):format(i)
        aliases[key] = "null"
        if i <= 20 then expected[i] = NOBODY:format(key, "other.test", "") end
    end
    if number > 20 then expected[21] = ("10.lua:1: and %d more like that"):format(number - 20) end
    check({ "example.com" }, { aliases }, table.concat(expected, "|"))
end

-- A file's hosts, each with an address that stands there.
local function file_of(hosts)
    return { parts = { source = "10.lua:1", serves = true, wildcards = {}, file = { hosts = function() return hosts end } } }
end
check({ "example.com" }, { file_of { ["example.com"] = "a@example.com", ["exmaple.com"] = "b@exmaple.com" } },
    NOBODY:format("b@exmaple.com", "exmaple.com", " (did you mean 'example.com'?)"))
check({ "example.com", "other.test" }, { file_of { ["EXAMPLE.com"] = "a@example.com" } }, NONE:format "other.test")

-- ---- Domains that no alias is for ----

check({ "example.com", "other.test" }, { { ["a@example.com"] = "null" } }, NONE:format "other.test")
check({ "example.com", "other.test" }, {}, "")
check({ "example.com", "other.test" }, { { ["a@example.com"] = "null" }, { parts = { source = "20.lua:1" } } }, "")
check({ "example.com", "other.test" }, { { ["a@example.com"] = "null" }, { parts = { source = "20.lua:1", serves = true, asks = true } } }, "")
check({ "example.com", "other.test" }, { { ["a@example.com"] = "null", ["/x/"] = "null" } }, "")
check({ "*.example.com" }, { { ["a@x.example.com"] = "null" } }, "")
check({ "*.example.com", "b.test" }, { { ["*@*"] = "null" } }, "")
check({ "a.test", "b.test" }, { { ["x@a.test"] = "null" }, { ["x@b.test"] = "null" } }, "")
check({ "a.test", "b.test" }, { { ["x@c.test"] = "null" } }, NOBODY:format("x@c.test", "c.test", " (did you mean 'a.test'?)") .. "|"
    .. NONE:format "a.test" .. "|" .. NONE:format "b.test")

-- ---- What stands behind a wildcard ----

for _, row in ipairs {
    { "*@example.com", "a@example.com", true }, { "a*@example.com", "ab@example.com", true }, { "a*@example.com", "ba@example.com" },
    { "*@example.com", "a-*@example.com", true }, { "a-*@example.com", "*@example.com" }, { "/^a@example\\.com$/", "a@example.com", true },
    { "/^.*@example\\.com$/", "a-*@example.com" }, { "a@example.com", "b@example.com" }, { "(*)@example.com", "a(*)@example.com", true },
    { "*@example.com", "/^a@example\\.com$/" },
} do
    check({ "example.com" }, { { [row[1]] = "null" }, { [row[2]] = "null" } }, row[3] and BEFORE:format(row[2], row[1]) or "")
end
check({ "example.com" }, { { ["*@example.com"] = route.also "https://a.example" }, { ["a@example.com"] = "null" } }, "")
check({ "example.com" }, { { ["a@example.com"] = "null", ["*@example.com"] = "null" } }, "")
check({ "example.com" }, { { ["a@example.com"] = "null" }, { ["*@example.com"] = "null" }, { ["b@example.com"] = "null" } },
    "30.lua:1: 'b@example.com' is answered by 20.lua:1 ('*@example.com') before: this one is never asked")
local behind = file_of { ["example.com"] = "a@example.com" }
behind.parts.source = "20.lua:1"
check({ "example.com" }, { { ["*@example.com"] = "null" }, behind }, BEFORE:format("*@example.com", "*@example.com"))
check({ "example.com" }, { { ["*@*"] = "null" }, { ["a@example.com"] = "null", ["b@example.com"] = "null" } },
    "20.lua:1: all mail is answered by 10.lua:1 ('*@*') before: this rule is never asked")

-- Patterns are tried 200,000 times, in all: then nothing more is said.
for _, row in ipairs { { 100000, { "k1@example.com" }, true }, { 66667, { "k1@example.com", "k2@example.com" }, false } } do
    local last, patterns, exact = row[2][#row[2]], {}, {}
    local never = { key = "*", code = { exec = function() end } }
    for i = 1, row[1] - 1 do patterns[i] = never end
    patterns[row[1]] = { key = "*", value = "null", code = { exec = function(_, address) return address == last end } }
    for _, key in ipairs(row[2]) do exact[key] = "null" end
    check({ "example.com" }, { { parts = { source = "10.lua:1", wildcards = patterns } }, exact }, row[3] and BEFORE:format(last, "*") or "")
end

return count
