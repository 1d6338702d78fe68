-- What is found wrong when an expression is compiled, RE2's patterns, and nesting: without a load of rules for each.
-- Returns how many cases there are.
local cel = require "mxhook.cel"
local compile = require "mxhook.cel.compile"

-- An expression over msg, and words of what is said.
local refused = {
    { "to.exists(a, a == 1)", "'==' of string and int is always false" },
    { "1 in to", "'in' of int and a list of string is always false" },
    { "subject in subject", "'in' of string and string" },
    { "to.all(a, a.size())", "a bool was expected, not int" },
    { "to.map(a, a.contains('x')).exists(b, b == 'y')", "'==' of bool and string is always false" },
    { "subject.split(',').exists(p, p > 1)", "'>' of string and int" },
    { "subject.all(c, c == 'a')", "all() of string: a list or map was expected" },
    { "to.exists(a)", "exists takes a name, and an expression" },
    { "attachments.exists(a, a == 'x')", "'==' of map and string is always false" },
    { "attachments['a'].name == ''", "a list's index cannot be string" },
    { "subject[0] == 'a'", "'[]' of string and int" },
    { "subject.size == 1", "string has no field 'size'" },
    { "-subject == 'a'", "'-' of string" },
    { "!subject", "'!' of string" },
    { "size(size) == 1", "size of int" },
    { "size.size() == 1", "size of int" },
    { "int(tls) == 1", "int of bool" },
    { "timestamp(tls) == now", "timestamp of bool" },
    { "string(to) == ''", "string of list" },
    { "matches(size, 'a')", "matches of int" },
    { "now + timestamp == now", "'+' of google.protobuf.Timestamp and google.protobuf.Timestamp" },
    { "now - timestamp > 5", "'>' of google.protobuf.Duration and int" },
    { "now - '1h' < timestamp", "'-' of google.protobuf.Timestamp and string" },
    { "subject.getHours() == 1", "getHours of string" },
    { "(now - timestamp).getFullYear() == 1", "getFullYear of google.protobuf.Duration" },
    { "size / 0 == 1", "division by zero" },
    { "size % 0 == 1", "modulus by zero" },
    { "subject ? true : false", "a bool was expected before '?', not string" },
    { "strings.quote() == ''", "strings.quote takes 1 argument(s), not 0" },
    { "strings.quote(1) == ''", "strings.quote of int" },
    { "(tls ? subject : from).contains(1)", "contains: int where string is expected" },
    { "cel.bind(s, subject, s.matches('(a'))", "a pattern that is wrong" },
    { "to.exists(a, a.matches('(?=a)'))", "RE2 has no look-ahead" },
    { "attachments.all(a, now.getHours('Nowhere/At') == 1)", "unknown time zone" },
    { "tls || [1].map(x, timestamp('x')).size() == 1", "not a timestamp" },
    { "{'a': duration('1 h')}.a == now - now", "not a duration" },
    { "headers.?x.orValue(1) == 1", "orValue: int where string is expected" },
    { "startWith(subject, 'a')", "there is no function 'startWith'" },
    { "subject.startWith('a')", "did you mean 'startsWith'?" },
    { "subjct == 'a'", "did you mean 'subject'?" },
    { "attachments.size() > '1'", "'>' of int and string" },
}

-- A pattern as CEL's r"" has it, and words of what is said.
local wrong_patterns = {
    { [=[\C]=], [=[\C, a single byte, is not supported]=] },
    { [=[a\8]=], "RE2 has no back-references" },
    { "(?P>n)", "RE2 has no group (?P" },
    { "(?&n)", "RE2 has no group (?&" },
    { "(?)a", "RE2 has no group (?)" },
    { "(?i-)a", "RE2 has no group (?i" },
    { "(?#a)", "RE2 has no group (?#" },
    { "(?|a)", "RE2 has no group (?|" },
    { "a*+", "possessive" },
    { "a?+", "possessive" },
    { "a{2}+", "possessive" },
    { "(a{40}){40}", "groups within groups multiplied" },
    { "((?:a{11}){10}b){10}", "groups within groups multiplied" },
    { "a{5,1001}", "repeats up to 1000 times" },
    { "a{1001,}", "repeats up to 1000 times" },
    { "{2}a", "a pattern that is wrong" },
    { "a|*b", "a pattern that is wrong" },
    { [=[[\b]]=], [=[unknown escape \b in a class]=] },
    { [=[[a\z]]=], [=[unknown escape \z in a class]=] },
    { [=[a\E]=], [=[RE2 has no \E without \Q]=] },
    { [=[\x4]=], "two hexadecimal digits" },
    { [=[\x{110000}]=], "there is no such character" },
    { [=[\p{Klingon}]=], "a pattern that is wrong" },
    { [=[\p{L&}]=], "the name of a class of Unicode" },
    { [=[\pX]=], "the name of a class of Unicode" },
    { [=[\p{Xan}]=], "RE2 has no class" },
    { [=[\_]=], [=[unknown escape \_]=] },
    { [=[\é]=], "unknown escape" },
    { "[z-a]", "a pattern that is wrong" },
}

local is_true = {
    "'a{,3}'.matches('^a{,3}$') && '{'.matches('^{$') && 'a{x}'.matches('a{x}')",
    [=['a\n'.matches('(?m)^$') && !'a\nb'.matches('^b') && 'a\nb'.matches('(?m)^b$')]=],
    [=['A٣'.matches('^A\\pN\\z') && 'a'.matches('^\\PN$') && 'α'.matches('\\p{Greek}')]=],
    [=['a'.matches('\\p{^Greek}') && 'AB'.matches('(?i:a)B') && !'AB'.matches('(?i:a)b')]=],
    [=['SN'.matches('^\\123\\x4E$') && 'N'.matches('\\x{4e}') && '\n'.matches('[\\012]')]=],
    [=['a\nb'.matches('(?s)a.b') && !'a\nb'.matches('a.b') && 'aab'.matches('(?U)^a*b$')]=],
    [=['n'.matches('^(?<n>n)$') && 'n'.matches('(?i-s:N)') && 'a-'.matches('^[a\\-]{2}$')]=],
    [=['\\E'.matches('^[\\\\E]+$') && 'a*'.matches('\\Qa*')]=],
}

-- What is opened and closed, what stands in it, and what makes it a test.
local nested = {
    { "(", "true", ")", "" }, { "[", "1", "]", ".size() == 1" }, { "{'a': ", "1", "}", ".size() == 1" },
    { "! ", "true", "", "" }, { "- ", "1", "", " < 9" }, { "-(", "1", ")", " < 9" }, { "tls ? false : ", "true", "", "" },
    { "(tls ? false : ", "true", ")", "" }, { "(!tls ? ", "true", " : false)", "" }, { "dyn(", "true", ")", "" },
    { "[?optional.of(", "1", ")]", ".size() == 1" }, { "{?'a': optional.of(", "1", ")}", ".size() == 1" },
    { "dyn({'a': ", "1", "}.a)", " == 1" }, { "size([", "1", "])", " == 1" }, { "{'a': [", "1", "]}", ".size() == 1" },
    { "{'a': 'a'}[", "'a'", "]", " == 'a'" }, { "[0][", "0", "]", " == 0" }, { "string(", "subject", ")", " == subject" },
    { "subject.replace('x', ", "''", ")", " == subject" }, { "optional.of(1).optMap(x, ", "x", ")", ".hasValue()" },
    { "optional.of(", "1", ")", ".hasValue()" }, { "optional.of(1).orValue(", "1", ")", " == 1" },
    { "cel.bind(x, 1, ", "x", ")", " == 1" }, { "cel.bind(x, ", "1", ", x)", " == 1" }, { "(1 + ", "1", ")", " > 0" },
    { "(tls || ", "true", ")", "" }, { "(true && ", "true", ")", "" }, { "[1].map(x, ", "x", ")", ".size() == 1" },
    { "[1].exists(x, x == 1 && ", "true", ")", "" }, { "[1].transformList(i, v, ", "v", ")", ".size() == 1" },
    { "{'a': 1}.transformMap(k, v, ", "v", ")", ".size() == 1" },
    { "[1].all(x, [x].exists_one(y, y == x && ", "true", "))", "" },
}

local variables = { subject = { code = '"Hello"', type = "string" }, tls = { code = "false", type = "bool" } }
local wrong, count = {}, 0

local function describe(result) return type(result) == "table" and result.cel or tostring(result) end

local function note(expression, text) wrong[#wrong + 1] = ("%s: %s"):format(expression:sub(1, 100), text) end

local function gives_true(expression)
    count = count + 1
    local ok, result = pcall(function() return compile(expression, variables, {}, true)({}) end)
    if not ok or result ~= true then note(expression, ok and "it is not true" or describe(result)) end
end

local function is_refused(expression, says, f, ...)
    count = count + 1
    local ok, failure = pcall(f, expression, ...)
    if ok then
        note(expression, "loads")
    elseif not describe(failure):find(says, 1, true) then
        note(expression, ("'%s' is not in: %s"):format(says, describe(failure)))
    end
end

local function nest(form, levels)
    return form[1]:rep(levels) .. form[2] .. form[3]:rep(levels) .. form[4]
end

for _, row in ipairs(refused) do is_refused(row[1], row[2], cel.compile) end
for _, row in ipairs(wrong_patterns) do
    is_refused(('subject.matches(r"%s")'):format(row[1]), row[2], cel.compile)
    is_refused(('[1].all(x, tls || matches(subject, r"%s"))'):format(row[1]), row[2], cel.compile)
end
for _, expression in ipairs(is_true) do gives_true(expression) end
for _, form in ipairs(nested) do
    gives_true(nest(form, 32))
    for _, levels in ipairs { 101, 200, 3000 } do
        is_refused("true &&\n " .. nest(form, levels), "more than 100 levels in each other, at line 2, column ", compile,
            variables, {}, true)
    end
end
gives_true(nest(nested[1], 100))
is_refused(nest(nested[1], 101), "more than 100 levels in each other, at line 1, column 101", compile, variables, {}, true)
-- what is long is not deep
for _, chain in ipairs { { "true && ", "true", "" }, { "tls || ", "true", "" }, { "1 + ", "1 == 501", "" },
    { "'a' + ", "'b' != ''", "" }, { "", "subject == subject", ".trim()" },
    { "", "optional.none() == optional.none()", ".?b" }, { "", "optional.none() == optional.none()", "[0]" } } do
    gives_true(chain[1]:rep(500) .. chain[2] .. chain[3]:rep(500))
end
gives_true("[" .. ("1, "):rep(5000) .. "1].size() == 5001")
is_refused(("1 + "):rep(1000) .. "1 == 1001", "more than 1000 operators or methods in a row, at line 1, column ", compile,
    variables, {}, true)
if #wrong > 0 then error(table.concat(wrong, "\n"), 0) end
return count
