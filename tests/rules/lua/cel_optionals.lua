-- CEL's optional values, without a message: what is true, what raises when it is evaluated, and what is refused at load.
-- Returns how many cases there are.
local compile = require "mxhook.cel.compile"
local convert = require "mxhook.cel.convert"

local is_true = {
    -- lists
    "[?optional.of(1), 2, ?optional.none()] == [1, 2]",
    "[?optional.none()] == [] && [?optional.none(), ?optional.none()].size() == 0",
    "[ ? optional.of('a') , ?{'k': 'b'}.?k, ?{'k': 'b'}.?l] == ['a', 'b']",
    "[?optional.of([?optional.none(), 1])] == [[1]]",
    "[?optional.of(optional.of(1))][0].value() == 1",
    "[?optional.of(false), ?optional.of(null), ?optional.of('')].size() == 3",
    "[?true ? optional.of(1) : optional.none()] == [1]",
    "[?dyn(optional.of(1))] == [1] && [?[1, 2][?1],] == [2]",
    "[?optional.ofNonZeroValue(0), ?optional.ofNonZeroValue(0u), ?optional.ofNonZeroValue(0.0)] == []",
    "[?optional.ofNonZeroValue(''), ?optional.ofNonZeroValue(b''), ?optional.ofNonZeroValue(false)] == []",
    "[?optional.ofNonZeroValue([]), ?optional.ofNonZeroValue({}), ?optional.ofNonZeroValue(null)] == []",
    "[?optional.ofNonZeroValue(1), ?optional.ofNonZeroValue('a')].size() == 2",
    "[?optional.ofNonZeroValue(duration('0s')), ?optional.ofNonZeroValue(timestamp(0))] == []",
    -- maps
    "{?'a': optional.of(1), 'b': 2, ?'c': optional.none()} == {'a': 1, 'b': 2}",
    "{?'a': optional.none()} == {} && {?'a': optional.none(), ?'b': optional.none(),}.size() == 0",
    "{?'out': optional.ofNonZeroValue({?'in': optional.none()})} == {}",
    "{?'out': optional.ofNonZeroValue({?'in': {'x': 1}.?x})} == {'out': {'in': 1}}",
    "{?1: optional.of('a'), ?true: optional.of('b'), ?2u: optional.none()}.size() == 2",
    "{?'a': optional.none(), 'a': 1}.a == 1",
    "'k' in {?'k': optional.of(null)} && !('k' in {?'k': optional.none()})",
    "has({?'k': optional.of(1)}.k) && !has({?'k': optional.none()}.k)",
    "{?('a' + 'b'): optional.of(1)}.ab == 1 && {?'a': true ? optional.of(1) : optional.none()}.a == 1",
    -- fields and indexes
    "{'a': 1}.?a.value() == 1 && !{'a': 1}.?b.hasValue() && {'a': null}.?a.hasValue()",
    "{'a-b': 1}[?'a-b'].value() == 1 && {'a': {'b': 1}}.?a[?'b'].value() == 1 && {'a': {'b': 1}}.?a['b'].value() == 1",
    "{'a': {}}.?a.b.c.orValue(7) == 7 && {}.?a.b.c.orValue(7) == 7",
    "[1, 2][?0].value() == 1 && ![1][?1].hasValue() && ![1][?-1].hasValue() && ![][?0].hasValue()",
    "optional.of([5])[0].value() == 5 && !optional.none()[0].hasValue() && !optional.of([])[0].hasValue()",
    "{1: 'a', 2u: 'b'}[?1u].value() == 'a' && {1: 'a', 2u: 'b'}[?2.0].value() == 'b'",
    "{true: 'a'}[?true].value() == 'a' && !{true: 'a'}[?false].x.hasValue()",
    "has({}.?a.b) == false && has({'a': {'b': 1}}.?a.b) && has(optional.of({'b': 1}).b) && !has(optional.of({}).b)",
    "optional.none().?a == optional.none() && optional.of({'a': 1}).?a == optional.of(1)",
    -- methods
    "optional.of(1).or(optional.of(2)).value() == 1 && optional.none().or(optional.of(2)).value() == 2",
    "!optional.none().or(optional.none()).hasValue() && optional.none().or(optional.none()).orValue(3) == 3",
    "optional.of(2).optMap(x, x * 2).value() == 4 && !optional.none().optMap(x, x * 2).hasValue()",
    "{'a': {'b': ''}}.?a.optFlatMap(m, m.?b).value() == '' && !{'a': {}}.?a.optFlatMap(m, m.?b).hasValue()",
    "{'a': {'b': ''}}.?a.optFlatMap(m, optional.ofNonZeroValue(m.b)) == optional.none()",
    "optional.of(1).optMap(x, optional.of(2).optMap(x, x + 1).value() + x).value() == 4",
    "type(optional.none()) == optional_type && type(optional.of(1)) == optional_type",
    "optional.of(1) == optional.of(1.0) && optional.of(1) != optional.none() && optional.none() == optional.none()",
    "optional.of([1]) == optional.of([1]) && optional.of({'a': 1}) != optional.of({'a': 2})",
    "['a', 'b', 'c'].map(c, {'a': 1, 'c': 3}[?c]).filter(o, o.hasValue()).map(o, o.value()) == [1, 3]",
    "['a', 'b'].exists(k, {'b': 1}[?k].orValue(0) == 1) && ['a'].all(k, !{}[?k].hasValue())",
    "(false || optional.of(true).value()) && (true || optional.none().value())",
    -- cel.bind
    "cel.bind(x, 1, x == 1) && cel.bind(x, 1, cel.bind(x, x + 1, x == 2))",
    "cel.bind(x, cel.bind(y, 2, y + 1), x == 3) && cel.bind(x, [1, 2], x.exists(x, x == 2) && x.size() == 2)",
    "cel.bind(x, 1, cel.bind(y, x, cel.bind(x, 5, y == 1 && x == 5)))",
    "[1, 2].all(x, cel.bind(y, x * 2, y > x)) && [1].map(cel, cel + 1) == [2]",
    "cel.bind(optional, {'of': 1}, optional.of == 1) && cel.bind(o, optional.of(1), [?o] == [1])",
    "cel.bind(f, {'a': [1]}, f.a[0] == 1 && f.?a[?0].value() == 1 && f[?'b'].orValue([]) == [])",
    "[1].all(v1, cel.bind(V, v1, [2].all(R, R > V)))",
}

local raises = {
    "optional.none().value() == 1", "{}.?a.value() == 1", "[?dyn(1)] == [1]", "{?'a': dyn(1)} == {'a': 1}",
    "{?'a': dyn(null)} == {}", "{'a': dyn(null)}.?a.b.hasValue()", "{'a': dyn(1)}.?a.?b.hasValue()",
    "{?'a': optional.of(1), 'a': 2} == {}", "dyn(1).hasValue()", "optional.none().or(dyn(1)) == optional.none()",
    "optional.of(1).optFlatMap(x, dyn(x)).hasValue()", "dyn([1])[?'a'].hasValue()", "dyn([1]).?a.hasValue()",
    "[?optional.of({}.a)] == []", "optional.of(1)[0].hasValue()",
    "cel.bind(x, 1 / int('0'), x == x)",
}

-- The expression, and words of what is said at load.
local refused = {
    { "[?1] == [1]", "after '?' an optional_type is expected, not int" },
    { "{?'a': 'b'} == {}", "after '?' an optional_type is expected, not string" },
    { "[1, ?optional.of(1), ?[2]] == []", "not list" },
    { "{'x': {?'a': {}}} == {}", "not map" },
    { "[[?true]] == []", "not bool" },
    { "{?'a'} == {}", "'}' was not expected" },
    { "[??optional.none()] == []", "was not expected" },
    { "{'a': ?optional.none()} == {}", "was not expected" },
    { "size(?'a') == 1", "was not expected" },
    { "{?[1]: optional.of(1)} == {}", "a map's key cannot be a list" },
    { "{1.5: 'a'} == {}", "a map's key cannot be a double" },
    { "'a'.?b.hasValue()", "'.?' of string" },
    { "1[?0].hasValue()", "'[?]' of int" },
    { "[1].?a.hasValue()", "'.?' of list" },
    { "[1][?'a'].hasValue()", "a list's index cannot be string" },
    { "'a'.hasValue()", "hasValue of string" },
    { "'a'.value() == 'a'", "value of string" },
    { "[1].orValue(2) == 2", "orValue of list" },
    { "optional.of(1).or(2) == optional.none()", "or: int where optional_type is expected" },
    { "optional.of(1).orValue('a') == 'a'", "orValue: string where int is expected" },
    { "optional.of(1).optMap(x) == 1", "optMap takes a name and an expression" },
    { "optional.of(1).optMap(1, 2) == 1", "a plain name was expected" },
    { "optional.of(1).optFlatMap(x, 2) == 1", "optFlatMap: int where optional_type is expected" },
    { "'a'.optMap(x, x) == 'a'", "optMap of string" },
    { "optional.some(1) == optional.none()", "there is no" },
    { "optional.of(1, 2) == optional.none()", "optional.of" },
    { "optional.none(1) == optional.none()", "optional.none" },
    { "optional.of(1) == 1", "is always false" },
    { "optional.of(1) < optional.of(2)", "'<' of optional_type and optional_type" },
    { "optional.of(1) + 1 == 2", "'+' of optional_type and int" },
    { "cel.bind(x, 'a', x == 1)", "'==' of string and int is always false" },
    { "cel.bind(x, 1, y == 1)", "there is no 'y'" },
    { "cel.bind(x, x, true)", "there is no 'x'" },
    { "cel.bind(x.y, 1, true)", "a plain name was expected" },
    { "cel.bnd(x, 1, true)", "there is no" },
}

local wrong = {}
local function note(text, ...) wrong[#wrong + 1] = text:format(...) end

local function describe(result) return type(result) == "table" and result.cel or tostring(result) end

for _, expression in ipairs(is_true) do
    for _, strict in ipairs { false, true } do
        local ok, result = pcall(function() return compile(expression, {}, {}, strict)({}) end)
        if not ok or result ~= true then
            note("%s gives %s", expression, ok and convert.text(result) or describe(result))
        end
    end
end
for _, expression in ipairs(raises) do
    local ok, test = pcall(compile, expression, {}, {}, true)
    if not ok then
        note("%s is refused: %s", expression, describe(test))
    else
        local done, result = pcall(test, {})
        if done or type(result) ~= "table" or not result.cel then note("%s: %s", expression, describe(result)) end
    end
end
for _, row in ipairs(refused) do
    local ok, failure = pcall(compile, row[1], {}, {}, true)
    if ok or not describe(failure):find(row[2], 1, true) then
        note("%s is not refused with '%s': %s", row[1], row[2], ok and "loads" or describe(failure))
    end
end
if #wrong > 0 then error(table.concat(wrong, "\n"), 0) end
return #is_true + #raises + #refused
