/* route.cel beyond the conformance tests: what is found when rules load, RE2's patterns, nesting, optional
 * values, cel.bind. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The message of the fixture: "Hello" of ada@sender.example, with X-Tag: a. */
static void assert_gives(struct fixture *f, const char *expression, enum verdict_kind kind)
{
    char *text;
    assert_true(asprintf(&text, "return route.cel { when = [==[%s]==], to = 'null' }", expression) >
                0);
    fixture_rules(f, "10.lua", text);
    free(text);
    fixture_load(f);
    fixture_run(f, "user@example.com");
    if (f->verdict->kind != kind)
        fail_msg("%s: verdict %d, not %d: %s", expression, f->verdict->kind, kind, f->log);
}

static void assert_wrong(struct fixture *f, const char *expression, const char *says)
{
    char *text;
    assert_true(asprintf(&text, "return route.cel { when = [==[%s]==], to = 'null' }", expression) >
                0);
    fixture_rules(f, "10.lua", text);
    free(text);
    const char *wrong = fixture_load_error(f);
    if (!strstr(wrong, says) || !strstr(wrong, "10.lua:1: "))
        fail_msg("%s: '%s' is not in: %s", expression, says, wrong);
}

static void test_found_at_load(void **state)
{
    static const struct {
        const char *expression, *says;
    } rows[] = {
        {"subject.matches('(a')", "a pattern that is wrong"},
        {"matches(subject, '[a')", "a class that is not closed"},
        {"headers['x'].matches('a**')", "two quantifiers in a row"},
        {"timestamp.getHours('Europe/Berln') == 1", "unknown time zone 'Europe/Berln'"},
        {"now.getHours('+14:01') == 1", "between -14:00 and +14:00"},
        {"timestamp > timestamp('2026-02-30T00:00:00Z')", "not a timestamp"},
        {"timestamp > timestamp('2026-02-03T00:00:00+24:00')", "not a timestamp"},
        {"now - timestamp > duration('1x')", "not a duration"},
        {"size > int('1k')", "not an int"},
        {"subject.contains()", "contains takes 1 argument(s), not 0"},
        {"subject.contains('a', 'b')", "contains takes 1 argument(s), not 2"},
        {"subject.contains(1)", "contains: int where string is expected"},
        {"subject.substring('a') == ''", "substring: string where int is expected"},
        {"subject.replace('a') == ''", "replace takes 2 to 3 argument(s), not 1"},
        {"timestamp.getHours(1) == 1", "getHours: int where string is expected"},
        {"timestamp.getHours('UTC', 1) == 1", "getHours takes 0 to 1 argument(s), not 2"},
        {"size.contains('a')", "contains of int"},
        {"subject == 1", "'==' of string and int is always false"},
        {"tls != 'yes'", "'!=' of bool and string is always true"},
        {"size > '10'", "'>' of int and string"},
        {"has(headers['x'])", "'x' in headers"},
        {"has(subject)", "has() takes a field"},
        {"subject", "it gives string, but true or false is needed"},
        {"cel.bind(x, 1)", "cel.bind takes a name, its value and an expression"},
        {"cel.bind(1, 1, true)", "a plain name was expected"},
        {"optional.of() == optional.none()", "optional.of"},
        {"headers.?x.orValue() == ''", "orValue takes 1 argument(s), not 0"},
        {"headers.?x == ''", "'==' of optional_type and string is always false"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_wrong(*state, rows[i].expression, rows[i].says);
}

static void test_what_is_right_loads(void **state)
{
    static const char *const rows[] = {
        "subject.matches('^Hel+o$') && matches(subject, 'l')",
        "timestamp.getHours('Europe/Berlin') == 22 && timestamp.getHours('-08:00') == 13",
        "timestamp < timestamp('2026-02-28T00:00:00+14:00') && size > int('10') && bool('true')",
        "now - timestamp > duration('1h30m')",
        "1 == 1.0 && null != subject && dyn(subject) != 1",
        "subject.charAt(0) == 'H' && subject.substring(1, 3) == 'el' && subject.trim() == subject",
        "subject.replace('l', 'L', 1) == 'HeLlo' && ['a', 'b'].join() == 'ab'",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_gives(*state, rows[i], VERDICT_DISCARD);
}

/* Each method at the first place, the last, the end and past it; characters of several bytes; none, one and two of
 * what it looks for. */
static void test_methods_at_their_limits(void **state)
{
    static const char *const yes[] = {
        "'h\\u00e9!'.charAt(0) == 'h' && 'h\\u00e9!'.charAt(1) == '\\u00e9' && "
        "'h\\u00e9!'.charAt(2) == '!'",
        "'h\\u00e9!'.charAt(3) == '' && ''.charAt(0) == ''",
        "'abcabc'.indexOf('c') == 2 && 'abcabc'.indexOf('c', 2) == 2 && 'abcabc'.indexOf('c', 3) "
        "== 5",
        "'abc'.indexOf('') == 0 && 'abc'.indexOf('', 3) == 3 && 'abc'.indexOf('d') == -1 && "
        "''.indexOf('a') == -1",
        "'\\u00e9a\\u00e9b'.indexOf('b') == 3 && '\\u00e9a\\u00e9b'.lastIndexOf('\\u00e9') == 2",
        "'abcabc'.lastIndexOf('c') == 5 && 'abcabc'.lastIndexOf('c', 4) == 2 && "
        "'abc'.lastIndexOf('c', 1) == -1",
        "'abc'.lastIndexOf('a') == 0 && 'abc'.lastIndexOf('') == 3 && 'abc'.lastIndexOf('d') == -1",
        "'h\\u00e9!'.substring(1) == '\\u00e9!' && 'h\\u00e9!'.substring(3) == '' && "
        "'abc'.substring(0, 3) == 'abc'",
        "'abc'.substring(1, 1) == '' && 'abc'.substring(0, 1) == 'a' && 'abc'.substring(2, 3) == "
        "'c'",
        "'a\\u00e9b'.reverse() == 'b\\u00e9a' && ''.reverse() == '' && 'AZaz\\u00c9'.lowerAscii() "
        "== 'azaz\\u00c9'",
        "'AZaz'.upperAscii() == 'AZAZ' && ' \\t a b\\u3000'.trim() == 'a b' && '  '.trim() == ''",
        "'a,b,c'.split(',') == ['a', 'b', 'c'] && 'a,b,c'.split(',', 2) == ['a', 'b,c'] && "
        "'abc'.split(',') == ['abc']",
        "'a,b'.split(',', 1) == ['a,b'] && 'a,b'.split(',', 0) == [] && 'a,b'.split(',', -1) == "
        "['a', 'b']",
        "',a,'.split(',') == ['', 'a', ''] && 'a\\u00e9b'.split('') == ['a', '\\u00e9', 'b'] && "
        "''.split('') == []",
        "'abc'.split('', 2) == ['a', 'bc'] && 'abc'.split('', 3) == ['a', 'b', 'c'] && "
        "'abc'.split('', 1) == ['abc']",
        "'aaa'.replace('a', 'b') == 'bbb' && 'aaa'.replace('a', 'b', 2) == 'bba' && "
        "'aaa'.replace('a', 'b', 0) == 'aaa'",
        "'ab'.replace('', '-') == '-a-b-' && 'ab'.replace('', '-', 2) == '-a-b' && "
        "'ab'.replace('', '-', 3) == '-a-b-'",
        "['a', 'b', 'c'].join(', ') == 'a, b, c' && ['a'].join('-') == 'a' && [].join() == '' && "
        "['a', 'b'].join('') == 'ab'",
        "dyn(['a', 'b']).join('+') == 'a+b' && [subject, 'x'].join('/') == 'Hello/x'",
        "'abc'.contains('') && 'abc'.contains('bc') && !'abc'.contains('cb') && "
        "'abc'.startsWith('abc')",
        "!'abc'.startsWith('abcd') && 'abc'.startsWith('') && 'abc'.endsWith('') && "
        "'abc'.endsWith('abc')",
        "!'abc'.endsWith('ab') && dyn('abc').endsWith('bc') && dyn('abc').startsWith('ab') && "
        "dyn('abc').contains('b')",
        "dyn('abc').endsWith('') && !dyn('abc').startsWith('b')",
        "'%s %% %s'.format(['a', 1]) == 'a % 1' && ''.format([]) == '' && '%s'.format(['a', "
        "'unused']) == 'a'",
        "'%d %d %x %X %o %b'.format([10, -10, 255, 255, 8, 5]) == '10 -10 ff FF 10 101' && "
        "'%b%b'.format([true, false]) == '10'",
        "'%x'.format(['a\\u00e9']) == '61c3a9' && '%X'.format([b'\\x0f']) == '0F' && "
        "'%x'.format([-255]) == '-ff' && '%x'.format([0]) == '0'",
        "'%f'.format([1.5]) == '1.500000' && '%.0f'.format([2.4]) == '2' && '%.1f'.format([0.25]) "
        "== '0.2' && '%.30f'.format([0.5]) == '0.500000000000000000000000000000'",
        "'%e'.format([1234.5]) == '1.234500e+03' && '%.2e'.format([1]) == '1.00e+00'",
        "'%s'.format([[1, 'a', null, true]]) == '[1, a, null, true]' && '%s'.format([[]]) == '[]'",
        "'%s'.format([{'b': 1, 'a': [2]}]) == '{a: [2], b: 1}' && '%s'.format([{}]) == '{}' && "
        "'%s'.format([b'ab']) == 'ab'",
    };
    static const struct {
        const char *expression, *says;
    } raises[] = {
        {"subject.charAt(6) == ''", "charAt: index out of range"},
        {"subject.charAt(-1) == ''", "charAt: index out of range"},
        {"subject.indexOf('a', 6) == 0", "indexOf: index out of range"},
        {"subject.indexOf('a', -1) == 0", "indexOf: index out of range"},
        {"subject.lastIndexOf('a', 6) == 0", "lastIndexOf: index out of range"},
        {"subject.substring(6) == ''", "substring: index out of range"},
        {"subject.substring(0, 6) == ''", "substring: index out of range"},
        {"subject.substring(2, 1) == ''", "substring: it would end before it starts"},
        {"dyn([1]).join() == ''", "join"},
        {"'%s%s'.format([subject]) == ''", "format: more verbs than values"},
        {"'%s'.format([]) == ''", "format: more verbs than values"},
        {"'%.31f'.format([1.0]) == ''", "format: unknown verb '%.31f'"},
        {"'%5s'.format([subject]) == ''", "format: unknown verb '%5s'"},
        {"'%q'.format([subject]) == ''", "format: unknown verb '%q'"},
        {"'%'.format([subject]) == ''", "format: unknown verb '%'"},
        {"'%d'.format([subject]) == ''", "format: %d of string"},
        {"'%f'.format([subject]) == ''", "format: %f of string"},
        {"'%o'.format([subject]) == ''", "format: %o of string"},
        {"'%x'.format([1.5]) == ''", "format: %x of double"},
        {"'%b'.format(['1']) == ''", "format: %b of string"},
        {"dyn(1).join() == ''", "join"},
        {"dyn(subject).join() == ''", "join"},
    };
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_gives(*state, yes[i], VERDICT_DISCARD);
    for (size_t i = 0; i < sizeof raises / sizeof *raises; i++) {
        char *text;
        assert_true(asprintf(&text, "return route.cel { when = [==[%s]==], to = 'null' }",
                             raises[i].expression) > 0);
        fixture_rule(*state, text);
        assert_raises(*state, raises[i].says);
        free(text);
    }
    assert_wrong(*state, "subject.join() == ''", "join of string");
    assert_wrong(*state, "['a'].charAt(0) == ''", "charAt of list");
}

/* Of every conversion the last value that it takes, and the first that it does not. */
static void test_conversions_at_their_limits(void **state)
{
    static const char *const yes[] = {
        "int('9223372036854775807') == 9223372036854775807 && int('-9223372036854775808') < 0 && "
        "int('+7') == 7",
        "uint('18446744073709551615') == 18446744073709551615u && int(9223372036854775807u) == "
        "9223372036854775807",
        "int(2.9) == 2 && int(-2.9) == -2 && int(9223372036854774784.0) == 9223372036854774784 && "
        "uint(0.9) == 0u",
        "uint(18446744073709549568.0) == 18446744073709549568u && uint(9223372036854775808.0) == "
        "9223372036854775808u",
        "uint(0) == 0u && double('1e3') == 1000.0 && double('-.5') == -0.5 && double('+2') == 2.0 "
        "&& double(3u) == 3.0",
        "double('inf') > 1e308 && double('-Infinity') < -1e308 && double('NaN') != double('nan')",
        "string(1.0) == '1' && string(0.1) == '0.1' && string(1e100) == '1e+100' && string(2u) == "
        "'2' && string(-3) == '-3'",
        "string(0.30000000000000004) == '0.30000000000000004' && string(true) == 'true' && "
        "string(double('inf')) == 'Infinity'",
        "string(double('-inf')) == '-Infinity' && string(double('nan')) == 'NaN' && string(5e-324) "
        "== '4.94065645841247e-324'",
        "string(b'\\x7f') == '\\u007f' && string(b'\\xc2\\x80') == '\\u0080' && "
        "string(b'\\xdf\\xbf') == '\\u07ff'",
        "string(b'\\xe0\\xa0\\x80') == '\\u0800' && string(b'\\xed\\x9f\\xbf') == '\\ud7ff' && "
        "string(b'\\xee\\x80\\x80') == '\\ue000'",
        "string(b'\\xef\\xbf\\xbf') == '\\uffff' && string(b'\\xf0\\x90\\x80\\x80') == "
        "'\\U00010000'",
        "string(b'\\xf4\\x8f\\xbf\\xbf') == '\\U0010ffff' && string(b'') == '' && bytes('\\u00e9') "
        "== b'\\xc3\\xa9'",
        "bool('t') && bool('TRUE') && bool('True') && bool('1') && !bool('f') && !bool('FALSE') && "
        "!bool('0') && bool(true)",
        "int(timestamp('1970-01-01T00:01:00Z')) == 60 && timestamp(60) == "
        "timestamp('1970-01-01T00:01:00Z')",
        "string(timestamp('2026-01-02T03:04:05.5Z')) == '2026-01-02T03:04:05.5Z' && "
        "string(duration('90s')) == '90s'",
        "string(duration('1m30.5s')) == '90.5s' && duration(5) == duration('5s') && "
        "duration('-1h') < duration('0s')",
        "duration('1h1m1s1ms1us1ns') == duration('3661.001001001s') && duration('0.5h') == "
        "duration('30m')",
        "timestamp('0001-01-01T00:00:00Z') < timestamp('9999-12-31T23:59:59.999999999Z')",
        "timestamp('2024-02-29T00:00:00Z').getDayOfMonth() == 28 && "
        "timestamp('2024-12-31T23:59:59Z').getDayOfYear() == 365",
        "timestamp('2000-02-29T00:00:00Z').getDate() == 29 && "
        "timestamp('2026-11-29T00:00:00Z').getDayOfWeek() == 0",
    };
    static const char *const no[] = {
        "int('9223372036854775808') == 0",
        "int('-9223372036854775809') == 0",
        "uint('18446744073709551616') == 0u",
        "int(9223372036854775808u) == 0",
        "int(9223372036854775808.0) == 0",
        "int(-9223372036854775808.0) == 0",
        "uint(18446744073709551616.0) == 0u",
        "uint(-1) == 0u",
        "uint(-1.0) == 0u",
        "int('') == 0",
        "int('1 ') == 0",
        "uint('+1') == 0u",
        "double('.') == 0.0",
        "double('1x') == 0.0",
        "double('') == 0.0",
        "bool('yes')",
        "string(b'\\x80') == ''",
        "string(b'\\xc1\\xbf') == ''",
        "string(b'\\xe0\\x9f\\xbf') == ''",
        "string(b'\\xed\\xa0\\x80') == ''",
        "string(b'\\xf0\\x8f\\xbf\\xbf') == ''",
        "string(b'\\xf4\\x90\\x80\\x80') == ''",
        "string(b'\\xf5\\x80\\x80\\x80') == ''",
        "string(b'\\xc3') == ''",
        "string(b'\\xe2\\x82') == ''",
        "string(b'\\xc3\\xc0') == ''",
        "string(b'\\xc3\\x7f') == ''",
        "timestamp('2023-02-29T00:00:00Z') == timestamp(0)",
        "timestamp('1900-02-29T00:00:00Z') == timestamp(0)",
        "timestamp('2026-04-31T00:00:00Z') == timestamp(0)",
        "timestamp('2026-13-01T00:00:00Z') == timestamp(0)",
        "timestamp('2026-01-01T24:00:00Z') == timestamp(0)",
        "timestamp('2026-01-01T00:60:00Z') == timestamp(0)",
        "timestamp('2026-01-01T00:00:60Z') == timestamp(0)",
        "timestamp('0000-12-31T23:59:59Z') == timestamp(0)",
        "timestamp('2026-00-01T00:00:00Z') == timestamp(0)",
        "timestamp('2026-01-00T00:00:00Z') == timestamp(0)",
        "timestamp(253402300800) == timestamp(0)",
        "duration('') == duration('0s')",
        "duration('1') == duration('1s')",
        "duration('1d') == duration('1s')",
        "duration('s') == duration('1s')",
    };
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_gives(*state, yes[i], VERDICT_DISCARD);
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        char *text;
        assert_true(asprintf(&text, "return route.cel { when = [==[%s]==], to = 'null' }", no[i]) >
                    0);
        fixture_rules(f, "10.lua", text);
        free(text);
        struct ruleset *ruleset;
        if (ruleset_load(&f->config, 1, &ruleset, &f->err) !=
            0) { /* a constant is found wrong at once */
            assert_non_null(strstr(f->err.text, "route.cel: when: "));
            continue;
        }
        ruleset_unref(ruleset);
        fixture_load(f);
        fixture_run(f, "user@example.com");
        if (f->verdict->kind != VERDICT_DEFER)
            fail_msg("%s: verdict %d", no[i], f->verdict->kind);
    }
}

static void test_patterns_are_as_re2_has_them(void **state)
{
    static const char *const yes[] = {
        "'a'.matches('a$') && !'a\\n'.matches('a$') && 'a\\nb'.matches('(?m)a$')",
        "'7'.matches('^\\\\d$') && !'\\u0667'.matches('\\\\d')",
        "!'\\u00e9'.matches('\\\\w') && '\\u00e9'.matches('\\\\pL') && "
        "'\\u00c9'.matches('(?i)\\u00e9')",
        "!'\\v'.matches('\\\\s') && '\\v'.matches('\\\\v') && '\\v'.matches('[\\\\v]')",
        "'[]'.matches('^[[\\\\]]+$') && ']'.matches('[]]') && 'a-z'.matches('^[a\\\\-z]+$')",
        "'a.b'.matches('^\\\\Qa.b\\\\E$') && 'x1'.matches('^(?P<n>x)(?:1)$') && "
        "'a'.matches('[[:alpha:]]')",
        "'aaa'.matches('^a{3}$') && 'ab'.matches('a+?b') && 'a{'.matches('^a{$')",
    };
    static const struct {
        const char *pattern, *says;
    } wrong[] = {
        {"(a)\\\\1", "RE2 has no back-references"},
        {"(?=a)", "RE2 has no look-ahead"},
        {"(?!a)", "RE2 has no look-ahead"},
        {"(?<=a)b", "RE2 has no look-behind"},
        {"(?<!a)b", "RE2 has no look-behind"},
        {"a++", "RE2 has no possessive quantifiers"},
        {"(?>a)", "RE2 has no group (?>"},
        {"(?R)", "RE2 has no group (?R"},
        {"(?x)a", "RE2 has no group (?x"},
        {"\\\\Ka", "RE2 has no \\K"},
        {"a\\\\Z", "RE2 has no \\Z"},
        {"a{1001}", "repeats up to 1000 times"},
        {"(*ACCEPT)", "RE2 has no verbs"},
        {"(?P=n)", "RE2 has no group (?P"},
        {"\\\\k<n>", "RE2 has no back-references"},
        {"a\\\\", "a backslash at the end"},
        {"(?(1)a)", "RE2 has no group (?("},
        {"\\\\h", "RE2 has no \\h"},
    };
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_gives(*state, yes[i], VERDICT_DISCARD);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char expression[200];
        snprintf(expression, sizeof expression, "subject.matches('%s')", wrong[i].pattern);
        assert_wrong(*state, expression, wrong[i].says);
    }
    /* one that is known only with the message is found wrong then */
    assert_gives(*state, "subject.matches(helo + '(a)\\\\1')", VERDICT_DEFER);
    assert_raises(*state, "RE2 has no back-references");
}

static char *nested(const char *open, const char *inside, const char *close, int levels)
{
    static char text[65536];
    char *p = text;
    for (int i = 0; i < levels; i++)
        p = stpcpy(p, open);
    p = stpcpy(p, inside);
    for (int i = 0; i < levels; i++)
        p = stpcpy(p, close);
    return text;
}

static void test_nesting(void **state)
{
    static const struct {
        const char *open, *inside, *close, *more;
    } forms[] = {
        {"(", "true", ")", ""},
        {"[", "1", "]", ".size() >= 0"},
        {"{'a': ", "1", "}", ".size() == 1"},
        {"!", "true", "", ""},
        {"-", "size", "", " < 99999"},
        {"tls ? false : ", "true", "", ""},
        {"(tls || ", "true", ")", ""},
        {"dyn(", "true", ")", ""},
        {"[0][", "0", "]", " == 0"},
        {"[1].exists(x, x == 1 && ", "true", ")", ""},
        {"[1].map(x, ", "1", ")", ".size() == 1"},
        {"cel.bind(x, 1, ", "true", ")", ""},
        {"(1 + ", "1", ")", " > 0"},
        {"subject.contains('H') && (", "true", ")", ""},
    };
    char *text, place[64];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        assert_true(asprintf(&text, "%s%s",
                             nested(forms[i].open, forms[i].inside, forms[i].close, 32),
                             forms[i].more) > 0);
        assert_gives(*state, text, VERDICT_DISCARD);
        free(text);
        assert_true(asprintf(&text, "true &&\n %s%s",
                             nested(forms[i].open, forms[i].inside, forms[i].close, 1000),
                             forms[i].more) > 0);
        assert_wrong(*state, text, "more than 100 levels in each other, at line 2, column ");
        free(text);
    }
    snprintf(place, sizeof place, "at line 1, column 101");
    assert_gives(*state, nested("(", "true", ")", 100), VERDICT_DISCARD);
    assert_wrong(*state, nested("(", "true", ")", 101), place);
    /* what is long is not deep, and what stands in quotes or behind // is nothing */
    assert_gives(*state, nested("true && ", "true", "", 500), VERDICT_DISCARD);
    assert_gives(
        *state,
        "subject != '((((((((((((((((((((((((((((((((((((((((((((' // ((((((((((((((((((((((",
        VERDICT_DISCARD);
}

static void test_optional_values(void **state)
{
    static const char *const yes[] = {
        "headers.?x.orValue('none') == 'none'",
        "headers[?'x-tag'].orValue('none') == 'a'",
        "headers[?'x-tag'].hasValue() && !headers.?x.hasValue()",
        "headers[?'X-Tag'].value() == 'a' && headers.?x == optional.none()",
        "optional.of(1) == optional.of(1) && optional.of(1) != optional.of(2)",
        "optional.ofNonZeroValue('') == optional.none() && optional.ofNonZeroValue(1).hasValue()",
        "headers.?x.or(headers[?'x-tag']).value() == 'a'",
        "{'a': {'b': 1}}.?a.b.orValue(0) == 1 && {'a': {'b': 1}}.?c.b.orValue(0) == 0",
        "{'a': {'b': 1}}.?a.?b.value() == 1 && [1, 2][?1].value() == 2 && ![1][?1].hasValue()",
        ("headers[?'x-tag'].optMap(t, t + '!').value() == 'a!' && !headers.?x.optMap(t, "
         "t).hasValue()"),
        "headers[?'x-tag'].optFlatMap(t, optional.of(t)).value() == 'a'",
        "cel.bind(s, subject.lowerAscii(), s == 'hello' && s + s == 'hellohello')",
        "cel.bind(a, 1, cel.bind(b, a + 1, a + b == 3)) && attachments.size() == 0",
    };
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_gives(*state, yes[i], VERDICT_DISCARD);
    assert_gives(*state, "headers.?x.value() == ''", VERDICT_DEFER);
    assert_raises(*state, "an optional value that is none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULES_TEST(test_found_at_load),
        RULES_TEST(test_what_is_right_loads),
        RULES_TEST(test_methods_at_their_limits),
        RULES_TEST(test_conversions_at_their_limits),
        RULES_TEST(test_patterns_are_as_re2_has_them),
        RULES_TEST(test_nesting),
        RULES_TEST(test_optional_values),
    };
    return RUN_TESTS(tests);
}
