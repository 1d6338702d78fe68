/* rex: PCRE2 as rules use it. */
#include "fixture.h"

#include <stdio.h>

static void assert_holds(struct fixture *f, const char *line)
{
    char body[1024];
    snprintf(body, sizeof body, "local rex = require 'rex' %s", line);
    fixture_body(f, body);
    if (f->verdict->kind != VERDICT_NO_MATCH)
        fail_msg("%s: %s", line, f->log);
}

static void test_functions(void **state)
{
    static const char *const lines[] = {
        "assert(rex.match('code 1234 now', [[\\d+]]) == '1234')",
        "assert(select('#', rex.match('a1', '([a-z])([0-9])(x)?')) == 3)",
        "local a, b = rex.match('a=b', '(.)=(.)') assert(a == 'a' and b == 'b')",
        "assert(rex.match('abc', 'x') == nil and rex.find('abc', 'x') == nil)",
        "local s, e, g = rex.find('xabcx', 'a(b)c') assert(s == 2 and e == 4 and g == 'b')",
        "assert(rex.find('aXa', 'a', 2) == 3 and rex.find('abc', 'a', 9) == nil)",
        "assert(rex.find('aaa', 'a', -1) == 3)",
        "assert(rex.match('FOO', 'foo', 1, 'i') == 'FOO' and not rex.match('FOO', 'foo'))",
        "assert(rex.match('\xc3\x89t\xc3\xa9', '^\xc3\xa9\\\\w+$', 1, 'i') == '\xc3\x89t\xc3\xa9')",
        "assert(rex.match('a\\nb', '^b$', 1, 'm') == 'b' and rex.match('a\\nb', 'a.b', 1, 's'))",
        "assert(rex.match('\xd9\xa3', '^\\\\d$') and not rex.match('\xd9\xa3', '^\\\\d$', 1, 'a'))",
        "assert(rex.match('a\\255b', 'b') == 'b' and rex.match('\\255', '.') == nil)",
        "local t = {} for w in rex.gmatch('one two', [[\\w+]]) do t[#t + 1] = w end"
        " assert(table.concat(t, '|') == 'one|two')",
        "local t = {} for k, v in rex.gmatch('a=1 b=2', '(.)=(.)') do t[k] = v end assert(t.b == "
        "'2')",
        "assert(rex.gsub('a-b-c', '-', '+') == 'a+b+c' and select(2, rex.gsub('aa', 'a', 'b')) == "
        "2)",
        "assert(rex.gsub('a-b', '(.)-(.)', '%2-%1%%') == 'b-a%' and rex.gsub('aa', 'a', 'b', 1) == "
        "'ba')",
        "assert(rex.gsub('ab', '.', string.upper) == 'AB' and rex.gsub('ab', '.', {a = 'x'}) == "
        "'xb')",
        "assert(rex.gsub('\xc3\xa9\xc3\xa9', '', '-') == '-\xc3\xa9-\xc3\xa9-')",
        "local t = {} for w in rex.split('a, b,c', [[,\\s*]]) do t[#t + 1] = w end"
        " assert(table.concat(t, '|') == 'a|b|c')",
        "local n = 0 for _ in rex.split('abc', 'x*') do n = n + 1 end assert(n == 1)",
        "assert(rex.count('banana', 'a') == 3 and rex.count('', 'a') == 0 and rex.count('ab', '') "
        "== 3)",
        "local r = rex.new('(a)(b)?', 'i') assert(r:match('xA') == 'A' and r:find('xA') == 2)",
        "assert(rex.new('a'):count('aaa') == 3 and rex.new('a'):gsub('aa', 'b') == 'bb')",
        "for i = 1, 500 do assert(rex.match('x' .. i, 'x' .. i .. '$')) end",
        "assert(rex.match(('a'):rep(100000) .. 'b', 'a*b$') ~= nil)",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_holds(*state, lines[i]);
}

static void test_errors(void **state)
{
    fixture_body(*state, "return require('rex').match('a', '(')");
    assert_raises(*state, "regular expression, at character 2: missing closing parenthesis");
    fixture_body(*state, "return require('rex').match('a', 'b', 1, 'q')");
    assert_raises(*state, "unknown flag 'q'");
    fixture_body(*state, "return require('rex').match(nil, 'b')");
    assert_raises(*state, "a string was expected to search in, not a nil");
    fixture_body(*state, "return require('rex').match('a', 7)");
    assert_raises(*state, "a pattern was expected, not a number");
    fixture_body(*state, "return require('rex').match('a', ('a'):rep(65537))");
    assert_raises(*state, "the limit is 65536");
}

static void test_catastrophic_patterns_are_no_match(void **state)
{
    static const char *const patterns[] = {"(a+)+$", "(a|aa)+$", "(.*)*(.*)*(.*)*x$",
                                           "(a*)*b\\\\1$", "^(([a-z])+.)+[A-Z]([a-z])+$"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char body[256];
        snprintf(body, sizeof body,
                 "local s = ('a'):rep(60) .. '!'\n"
                 "assert(require('rex').match(s .. 'xA', '%s!') == nil)",
                 patterns[i]);
        fixture_body(*state, body);
        assert_kind(*state, VERDICT_NO_MATCH);
    }
    fixture_body(*state, "assert(require('rex').match(('a'):rep(60) .. '!a', '(a+)+a!$') == nil)");
    assert_logged(*state, "warn regex-gave-up id=test-1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULES_TEST(test_functions),
        RULES_TEST(test_errors),
        RULES_TEST(test_catastrophic_patterns_are_no_match),
    };
    return RUN_TESTS(tests);
}
