-- The modules that read text and know nothing of messages, each at its limits: what it gives on this side, and on the other.
-- Returns how many rows there were.
local body_limits = require "mxhook.body_limits"
local groups = require "mxhook.groups"
local nearest = require "mxhook.nearest"
local places = require "mxhook.places"
local references = require "mxhook.references"
local rule = require "mxhook.rule"
local strings = require "mxhook.strings"
local twice = require "mxhook.twice"
local utf8 = require "mxhook.utf8"

local check, count = dofile(...)
local shown = {}

-- A third of a name may be wrong, and one character of the shortest; of two the nearer, and of equals the first.
for _, row in ipairs {
    { "a", "b", "b" }, { "ab", "xb", "xb" }, { "ab", "xy", "" }, { "abc", "axc", "axc" }, { "abc", "axy", "" },
    { "abcde", "abcdx", "abcdx" }, { "abcde", "abcxy", "" }, { "abcdef", "abcdxy", "abcdxy" }, { "abcdef", "abcxyz", "" },
    { "abcdefgh", "abcdefxy", "abcdefxy" }, { "abcdefgh", "abcdexyz", "" }, { "abcdefghi", "abcdefxyz", "abcdefxyz" },
    { "abcdefghi", "abcdewxyz", "" },
    { "abc", "bac", "bac" }, { "abc", "acb", "acb" }, { "abc", "cba", "" }, { "abcdef", "bacdfe", "bacdfe" },
    { "abcdef", "badcfe", "" }, { "abc", "abcd", "abcd" }, { "abc", "xabc", "xabc" }, { "abc", "abcde", "" }, { "abcd", "abd", "abd" },
    { "abcd", "bcd", "bcd" }, { "abcd", "abc", "abc" }, { "abcd", "cd", "" }, { "aab", "aba", "aba" }, { "ABC", "abd", "abd" },
    { "abd", "ABC", "ABC" }, { "", "a", "a" }, { "", "ab", "" }, { "same", "same", "same" },
    { "abcdef", { "abcdxy", "abcdex" }, "abcdex" }, { "abcdef", { "abcdex", "abcdxy" }, "abcdex" }, { "ab", { "ax", "ay" }, "ax" },
    { "ab", {}, "" },
} do
    local names = type(row[2]) == "table" and row[2] or { row[2] }
    check(row[1] .. " beside " .. table.concat(names, ","), nearest(row[1], names, "%s"), row[3])
end

-- What stands outside of strings and comments, each character with its line, and of those the first.
for _, row in ipairs {
    { "ab", "a1 b1" }, { "a\nb", "a1 \n1 b2" }, { '"b\\"c"d', '"1 d1' }, { "'b\\'c'd", "'1 d1" }, { "'b\"c'd", "'1 d1" }, { "\"\\\\\"d", '"1 d1' },
    { "''d", "'1 d1" }, { "'a\nb'c", "'1 c2" }, { "a--b\nc", "a1 -1 c2" }, { "a--", "a1 -1" }, { "a-b", "a1 -1 b1" }, { "--b", "-1" },
    { "[[x\ny]]z", "[1 z2" }, { "[==[x]]y]=]\n]==]z", "[1 z2" }, { "[[]]z", "[1 z1" }, { "--[=[x\n]]\n]=]z", "-1 z3" },
    { "--[[x]]z", "-1 z1" }, { "[x]", "[1 x1 ]1" }, { "[=x", "[1 =1 x1" }, { "a[[b\n", "a1 [1" }, { "'b", "'1" }, { "'b\\", "'1" },
    { "", "" }, { "\n\n'\n'--\nx", "\n1 \n2 '3 -4 x5" },
} do
    local found = {}
    for at, line in places(row[1]) do found[#found + 1] = row[1]:sub(at, at) .. line end
    check("places of " .. row[1], table.concat(found, " "), row[2])
end

-- Keys that stand twice in one table, and those that do not.
for _, row in ipairs {
    { '{["a@b"]=1,\n["a@b"]=2}', "a@b 2" }, { '{["a@b"]=1,{["a@b"]=2}}', "nil nil" }, { '{{["a@b"]=1},["a@b"]=2}', "nil nil" },
    { '{["a@b"]=1,{},\n\n[ \'A@b\' ] = 2}', "A@b 3" }, { '{["a@b"]=1,x["a@b"]==2}', "nil nil" }, { '{["a"]=1,["a"]=2}', "nil nil" },
    { '{["/a/"]=1,["/a/"]=2}', "/a/ 1" }, { '["a@b"]=1,["a@b"]=2', "nil nil" }, { '{["a@b"]=1}{["a@b"]=1}', "nil nil" },
    { '{["a@b"]=1,["a@c"]=2,["a@c"]=3}', "a@c 1" }, { '{["a@b"]=1,--["a@b"]=2\n}', "nil nil" }, { '{["a@b\']=1,["a@b\']=2}', "nil nil" },
    { '{["@"]=1,["@"]=2}', "@ 1" }, { '{["a/"]=1,["a/"]=2}', "nil nil" }, { '}{["a@b"]=1,["a@b"]=2}', "a@b 1" },
} do
    local key, line = twice(row[1])
    check("twice in " .. row[1], tostring(key) .. " " .. tostring(line), row[2])
end

-- Variables that a file names.
for _, row in ipairs {
    { 'secret = "env:A"', "A1" }, { "x = 'env:A_1'", "A_11" }, { '{ env = "B" }', "B1" }, { 'env="B"', "B1" }, { "\n{env='B'}", "B2" },
    { 'a env = "B"', "B1" }, { '.env = "B"', "" }, { 'myenv = "B"', "" }, { '_env = "B"', "" }, { '1env = "B"', "" }, { 'environment = "B"', "" },
    { '"xenv:A"', "" }, { '"env:A-B"', "" }, { '"env:"', "" }, { '-- "env:A"\n"env:B"\n"env:A"', "B2 A3" }, { 'env = B', "" },
} do
    local found = {}
    for _, each in ipairs(references(row[1])) do found[#found + 1] = each.name .. each.line end
    check("variables of " .. row[1], table.concat(found, " "), row[2])
end

-- Limits of bodies that a file names.
local units = { [""] = 1, KB = 1000, MB = 1000000 }
for _, row in ipairs {
    { "max_body = 100", "1 100 100" }, { "max_body=100", "1 100 100" }, { "\nmax_body = 5 * 1024 -- x", "2 5120 5 * 1024" },
    { 'max_body = "2.5 MB"', '1 2500000 "2.5 MB"' }, { "max_body = '3KB'", "1 3000 '3KB'" }, { 'max_body = "7"', '1 7 "7"' },
    { 'max_body = "7 XB"', "" }, { 'max_body = "1.2.3 MB"', "" }, { "max_body = \"7'", "" }, { '["max_body"] = 5', "1 5 5" },
    { "[ 'max_body' ] = 5, max_body = 6", "1 5 5;1 6 6" }, { "max_body == 5", "" }, { '["max_body"] == 5', "" }, { "xmax_body = 5", "" },
    { "x.max_body = 5", "1 5 5" }, { "_max_body = 5", "" }, { "max_body = 1e3", "1 1000 1e3" }, { "max_body = 1E3 + 1", "1 1001 1e3 + 1" },
    { "max_body = (2 + 3) * 4, x = 1", "1 20 (2 + 3) * 4" }, { "max_body = ((2 + 3) * 4)", "1 20 ((2 + 3) * 4)" }, { "max_body = 9 - 4", "1 5 9 - 4" },
    { "max_body = 5 + x", "" }, { "max_body = f()", "" }, { "local n = 7\nmax_body = n", "2 7 n" }, { "local n = 7 local n = 8\nmax_body = n", "" },
    { "max_body = n", "" }, { "local n = '1 KB'\nmax_body = n", "2 1000 n" }, { "local nn = 7\nmax_body = n", "" }, { "local n = x\nmax_body = n", "" },
    { "-- max_body = 5", "" }, { "max_body = 5\nmax_body = 6", "1 5 5;2 6 6" }, { "xlocal n = 7\nmax_body = n", "" },
} do
    local found = {}
    for _, each in ipairs(body_limits(row[1], units)) do
        found[#found + 1] = ("%d %s %s"):format(each.line, tostring(each.bytes), tostring(each.written))
    end
    check("limits of " .. row[1], table.concat(found, ";"), row[2])
end

-- Segments "." and "..", in the path alone.
for _, row in ipairs {
    { "https://a/..", true }, { "https://a/.", true }, { "https://a/x/../y", true }, { "https://a/%2e", true }, { "https://a/%2E.", true },
    { "https://a/.%2e/x", true }, { "https://a/b, https://c/..", true }, { { "https://a/b", { url = "https://c/.." } }, true },
    { "https://a/...", false }, { "https://a/..a", false }, { "https://a/a..", false }, { "https://a/?x/../y", false }, { "https://a/#/..", false },
    { "https://..", false }, { "https://a", false }, { "a@b/..", false }, { "https://a/%2f..", false }, { { 7, true }, false },
} do
    check("a dot segment in " .. tostring(row[1]), groups.has_dot_segment(row[1]), row[2])
end

-- What refers to a group, and what is put there.
for _, row in ipairs {
    { "$1", true }, { "${n}", true }, { "${1}", true }, { "$n", false }, { "$", false }, { "${}", false }, { "${n", false }, { { { "a$1" } }, true },
    { 7, false },
} do
    check("groups in " .. tostring(row[1]), groups.any(row[1]), row[2])
end
local function letter(name) return name == 1 and "a/b~" or name == 2 and "\195\164!" or name == "n" and "<>" or "?" .. tostring(name) end
for _, row in ipairs {
    { "https://a/$1", "https://a/a%2Fb~" }, { "https://a/$2", "https://a/%C3%A4%21" }, { "$1@b", "a/b~@b" }, { "$2@b", "\195\164!@b" },
    { "${n}@b", "%3C%3E@b" }, { "https://a/$12", "https://a/a%2Fb~2" }, { "https://a/${1}2}", "https://a/a%2Fb~2}" },
    { "https://a/${n", "https://a/${n" }, { "https://a/$n", "https://a/$n" }, { "$1@b,https://a/$1", "a/b~@b,https://a/a%2Fb~" },
    { "https://a/$1}", "https://a/a%2Fb~}" },
} do
    check("with groups " .. row[1], groups.substitute(row[1], letter), row[2])
end
local HAS = "%s in its destination, but the pattern has %d group(s)%s"
for _, row in ipairs {
    { "$1", 1, {} }, { "$9", 9, {} }, { "${1}", 1, {} }, { "${2}", 2, {} }, { "${n}", 1, { n = 1 } }, { "$n@b", 0, {} }, { "https://a/?$filter=x&$top=1", 0, {} },
    { "a$", 1, {} }, { 7, 0, {} },
    { "$1", 0, {}, HAS:format("$1", 0, "") }, { "$2", 1, {}, HAS:format("$2", 1, "") }, { "$0", 9, {}, HAS:format("$0", 9, "") },
    { "${0}", 9, {}, HAS:format("${0}", 9, "") }, { "${1}", 0, {}, HAS:format("${1}", 0, "") }, { "${3}", 2, {}, HAS:format("${3}", 2, "") },
    { "${m}", 1, {}, HAS:format("${m}", 1, "") }, { "${m}", 1, { n = 1 }, HAS:format("${m}", 1, ", named n") },
    { "${m}", 2, { n = 1, k = 2, a = 1 }, HAS:format("${m}", 2, ", named a, k, n") }, { { "$1", { url = "$2" } }, 1, {}, HAS:format("$2", 1, "") },
    { "$1,$2", 1, {}, HAS:format("$2", 1, "") }, { "$1${m}", 1, {}, HAS:format("${m}", 1, "") }, { "${1}$2", 1, {}, HAS:format("$2", 1, "") },
    { "$12", 2, {}, "$12: groups are $1 to $9; where a digit follows, write ${1}" }, { "$345", 9, {}, "$345: groups are $1 to $9; where a digit follows, write ${3}" },
    { "$n", 1, { n = 1 }, "$n: write ${n}; a dollar sign itself is %24" }, { "https://a/?$n=1", 1, {}, "$n: write ${n}; a dollar sign itself is %24" },
    { "https://a/$n", 0, {}, "$n: write ${n}; a dollar sign itself is %24" }, { "a@b,https://a/$n", 0, {}, "$n: write ${n}; a dollar sign itself is %24" },
} do
    check("groups of " .. tostring(row[1]), groups.check(row[1], row[2], row[3]), row[4])
end
local function pattern_of(number, names)
    return { groups = function() return number end, names = function() return names end }
end
for _, row in ipairs {
    { {}, 0, "" }, { { pattern_of(0, {}) }, 0, "" }, { { pattern_of(2, { a = 1 }), pattern_of(1, { b = 1 }) }, 2, "a1b1" },
    { { pattern_of(1, {}), pattern_of(3, { c = 3 }) }, 3, "c3" },
} do
    local most, names = groups.of(row[1])
    check("most groups", most, row[2])
    check("names of groups", (names.a and "a" .. names.a or "") .. (names.b and "b" .. names.b or "") .. (names.c and "c" .. names.c or ""), row[3])
end
local answer = groups.substitute(setmetatable({ url = "https://a/$1", limit = 7, { "$1@b" } }, shown), letter)
check("with groups in a table", answer.url .. answer.limit .. answer[1][1], "https://a/a%2Fb~7a/b~@b")
check("still an answer", getmetatable(answer), shown)
check("with groups in a number", groups.substitute(7, letter), 7)

-- RFC 3629: the first and the last of each length, and their neighbours.
for _, row in ipairs {
    { "", true }, { "\0\127", true }, { "\128", false }, { "\191", false }, { "\193\191", false }, { "\194\128", true }, { "\194\127", false },
    { "\194\192", false }, { "\194\191", true }, { "\223\191", true }, { "\223", false }, { "\224\159\191", false }, { "\224\160\128", true },
    { "\224\160", false }, { "\225\128\128", true }, { "\236\191\191", true }, { "\237\159\191", true }, { "\237\160\128", false },
    { "\238\128\128", true }, { "\239\191\191", true }, { "\240\143\191\191", false }, { "\240\144\128\128", true }, { "\240\144\128", false },
    { "\241\128\128\128", true }, { "\243\191\191\191", true }, { "\244\143\191\191", true }, { "\244\144\128\128", false }, { "\245\128\128\128", false },
    { "\255", false }, { "a\195\164b\226\130\172c", true }, { "a\195\164b\226\130", false }, { "\226\130\172\128", false }, { "\240\159\152\128a", true },
    { "\195\164\195\164\195", false },
} do
    check(("is UTF-8 %q"):format(row[1]), utf8.is_valid(row[1]), row[2])
end

-- The last `return` of a file.
for _, row in ipairs {
    { "", 1 }, { "return x", 1 }, { "\nreturn x", 2 }, { "return a\n  return b\nreturned = 1\n", 2 }, { "x = 1\n\treturn{}", 2 }, { "local return_x", 1 },
} do
    check("return of " .. row[1], rule.return_line(row[1]), row[2])
end

-- Strings in Lua, where ours have words of their own.
local function refused(f, ...)
    local ok, wrong = pcall(f, ...)
    return not ok and tostring(wrong):gsub("^[^:]+:%d+: ", "") or "no error"
end
setmetatable(shown, { __tostring = function() return "shown" end })
local wrong = setmetatable({}, { __tostring = function() return 7 end })
for _, row in ipairs {
    { strings.format("%s-%s", shown, nil), "shown-nil" }, { strings.format("%d%%", 5), "5%" }, { strings.format("%s %s %s", 1, shown, shown), "1 shown shown" },
    { strings.format("%s", nil), "nil" }, { strings.format("x"), "x" }, { refused(strings.format, "%s", wrong), "'__tostring' must give a string" },
    { refused(strings.gsub, "a", "a"), "string.gsub: a string, table or function was expected, not a nil" },
    { refused(strings.gsub, {}, "a", ""), "string.gsub: a string was expected, not a table" },
    { refused(strings.gsub, "a", nil, ""), "string.gsub: a string was expected, not a nil" },
    { refused(strings.gmatch, nil, "a"), "string.gmatch: a string was expected, not a nil" },
    { refused(strings.gmatch, "a", true), "string.gmatch: a string was expected, not a boolean" },
    { refused(strings.gsub, "ab", "(a)(b)", "%3"), "invalid capture index" }, { strings.gsub("ab", "(a)(b)", "%2%1"), "ba" },
    { strings.gsub("ab", "a", "%1%1"), "aab" }, { refused(strings.gsub, "ab", "a", "%2"), "invalid capture index" }, { strings.gsub("ab", "b", 7), "a7" },
    { strings.gsub("aaa", "a", "b", 2), "bba" }, { strings.gsub("aaa", "a", "b", 0), "aaa" }, { strings.gsub("aaa", "^a", "b"), "baa" },
    { strings.gsub("abc", "", "-"), "-a-b-c-" }, { strings.gsub("abc", "", "-", 2), "-a-bc" }, { strings.gsub("a%", "%%", "%%%%"), "a%%" },
    { strings.gsub(12, 1, "x"), "x2" }, { strings.gsub("ab", "(a)", { a = "x" }), "xb" }, { strings.gsub("ab", "a", { b = "x" }), "ab" },
    { strings.gsub("ab", ".", function(c) return c == "a" and "x" end), "xb" }, { select(2, strings.gsub("abab", "b", "")), 2 },
    { strings.gsub("abc", "b", "%"), "ac" }, { strings.gsub("abcd", "bc", "<%0-%1>"), "a<bc-bc>d" }, { strings.gsub("abcd", "(b)(c)", "<%0%2>"), "a<bcc>d" },
    { strings.gsub("abcd", "bc", { bc = "x" }), "axd" }, { strings.gsub("abcd", "(b)c", { b = "x", bc = "y" }), "axd" },
    { strings.gsub("abcd", "(b)(c)", { b = "x", c = "y" }), "axd" }, { strings.gsub("abcd", "bc", function(all) return all .. "!" end), "abc!d" },
    { strings.gsub("abcd", "(b)c", function(one, none) return one .. tostring(none) end), "abnild" },
    { strings.gsub("abc", "(a)(b)(c)", function(a, b, c) return c .. b .. a end), "cba" }, { strings.gsub("a", "a", function() return 7 end), "7" },
    { refused(strings.gsub, "a", "a", function() return {} end), "invalid replacement value (a table)" },
    { refused(strings.gsub, "a", "a", { a = true }), "invalid replacement value (a boolean)" }, { strings.format("%s %s", true, shown), "true shown" },
} do
    check("a string", row[1], row[2])
end
for _, row in ipairs {
    { "abc", "", "|||" }, { "one two", "%w+", "one|two" }, { "a=1 b=2", "(%w)=(%w)", "a1|b2" }, { "ab=1 cd=2", "(%w)=", "b|d" }, { 12, "%d", "1|2" }, { "", "a*", "" }, { "ba", "a*", "|a|" },
} do
    local found = {}
    for a, b in strings.gmatch(row[1], row[2]) do found[#found + 1] = a .. (b or "") end
    check("gmatch of " .. row[1], table.concat(found, "|"), row[3])
end
local after_the_end = strings.gmatch("a", "b")
check("gmatch after its end", after_the_end() == nil and after_the_end() == nil, true)

return count()
