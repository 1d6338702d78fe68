/*
 * A rule cannot take more time or memory than it is given, however it tries, and the next message
 * finds the state as if nothing had been. Each attack runs in a state of its own and is followed by
 * an honest run in the same state.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* Far above the limit of 100 ms: this tells "stopped" from "ran on", not fast from slow. */
#define STOPPED_WITHIN_MS 20000

struct attack {
    const char *name, *body, *logged;
};

static const struct attack attacks[] = {
    {"endless loop", "while true do end", "10.lua:2: went over the time limit of 100 ms"},
    {"endless loop in pcall", "while true do pcall(function() while true do end end) end",
     "time limit"},
    {"in xpcall with a looping handler",
     "local function spin() while true do end end while true do xpcall(spin, spin) end", ""},
    {"in a coroutine", "coroutine.wrap(function() while true do end end)()", "time limit"},
    {"in resumed coroutines",
     "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
     "time limit"},
    {"in a metamethod",
     "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
     "time limit"},
    {"in __tostring",
     "return tostring(setmetatable({}, {__tostring = function() while true do end end}))",
     "time limit"},
    {"in table.sort's comparator", "table.sort({3, 2, 1}, function() while true do end end)",
     "time limit"},
    {"in table.sort without one",
     "local t = {} for i = 1, 1e6 do t[i] = -i end table.sort(t) table.sort(t)", "time limit"},
    {"in string.gsub's callback", "('x'):gsub('.', function() while true do end end)",
     "time limit"},
    {"in string.find", "return ('a'):rep(100000):find(('.-'):rep(20) .. 'b')", "time limit"},
    {"in string.match", "return ('a'):rep(100000):match(('a*'):rep(20) .. 'b')", "time limit"},
    {"in a plain search", "local s = ('a'):rep(2e7) while true do s:find('b', 1, true) end",
     "time limit"},
    {"in string.rep", "local s = ('a'):rep(1e7) while true do local x = s .. 'b' end",
     "time limit"},
    {"in table.insert",
     "local t = {} for i = 1, 1e6 do t[i] = i end"
     " while true do table.insert(t, 1, 0) table.remove(t, 1) end",
     ""},
    {"in table.insert, from far before the list", "table.insert({}, -2^31, 1)",
     "position -2147483648 is before the list"},
    {"in table.remove, the same", "table.remove({1}, -2^31)", "is before the list"},
    {"in table.insert, a list with holes",
     "local t = {} for i = 0, 30 do t[2 ^ i] = 1 end while true do table.insert(t, 1, 0) end",
     "time limit"},
    {"in table.remove, the same",
     "local t = {} for i = 0, 30 do t[2 ^ i] = 1 end while true do table.remove(t, 1) end",
     "time limit"},
    {"in next, an emptied table",
     "local t = {} for i = 1, 2e5 do t[i .. ''] = i end for i = 1, 2e5 do t[i .. ''] = nil end "
     "while true do next(t) end",
     "time limit"},
    {"in tonumber", "local s = ('0'):rep(1e7) while true do tonumber(s) end", "time limit"},
    {"in arithmetic with a text", "local s = (' '):rep(1e7) .. 1 while true do local x = s + 1 end",
     "time limit"},
    {"in comparing texts",
     "local a, b = ('a'):rep(5e6) .. 1, ('a'):rep(5e6) .. 2 while true do local x = a < b end",
     "time limit"},
    {"in string.find, a long set", "return ('a'):rep(1e6):find('[' .. ('b'):rep(1e6) .. ']+c')",
     "time limit"},
    {"in string.find, a long back-reference", "return ('a'):rep(2e6):find('^(a*).-%1b')",
     "time limit"},
    {"in load, a long text", "local s = ('x = 1 '):rep(1e6) while true do load(s) end",
     "time limit"},
    {"in a text that formats itself",
     "local t = setmetatable({}, {__tostring = function(o) return ('%s'):format(o) end}) "
     "return tostring(t)",
     "stack overflow"},
    {"in a pattern that looks ahead",
     "local rex = require 'rex' return rex.match(('a'):rep(4e6), '(?:(?=.*+)a)+b')", "time limit"},
    {"in compiling regular expressions",
     "local rex = require 'rex' local i = 0 while true do i = i + 1 "
     "rex.new(('(?:a|b' .. i .. ')*'):rep(500)) end",
     "time limit"},
    {"in a regular expression",
     "local rex = require 'rex' local s = ('a'):rep(2e4) .. '=' .. ('a'):rep(2e4)"
     " while true do rex.match(s, '(.*)(.*)(.*)(.*)=(.*)=x') end",
     "time limit"},
    {"in cjson", "local t = {} for i = 1, 40 do t = {t, t} end return require('cjson').encode(t)",
     ""},
    {"in load's reader", "load(function() return ' ' end)", ""},
    {"a string of 2 GB", "return ('x'):rep(2147483647)", "memory limit of 67108864 bytes"},
    {"strings in pcall", "while true do pcall(function() return ('x'):rep(2147483647) end) end",
     ""},
    {"growing strings", "local s = 'x' while true do s = s .. s end", "went over the "},
    {"growing tables", "local t = {} while true do t[#t + 1] = {} end", "went over the "},
    {"growing closures", "local t = {} while true do t[#t + 1] = function() return t end end",
     "went over the "},
    {"growing coroutines",
     "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
     "went over the "},
    {"kept regular expressions",
     "local rex, t = require 'rex', {} for i = 1, 1e9 do t[i] = rex.new('(a{1,500}){1,50}' .. i) "
     "end",
     ""},
    {"recursion", "local function f() return 1 + f() end return f()", "stack overflow"},
    {"recursion in pcall", "local function f() pcall(f) return f() end return f()", ""},
    {"recursion of coroutines", "local function f() coroutine.wrap(f)() end f()",
     "coroutines in each other"},
    {"recursion in gsub", "local function f() return ('x'):gsub('.', f) end f()", "stack overflow"},
    {"recursion in sort", "local function f() table.sort({1, 2, 3}, f) return false end f()",
     "stack overflow"},
    {"recursion of patterns", "return ('a'):rep(1e5):find(('(a'):rep(31) .. (')'):rep(31))", ""},
    {"yielding out", "coroutine.yield()", "yield"},
    {"all headers", "for i = 1, 1e9 do msg.headers['X-' .. i] = ('x'):rep(262144) end",
     "a run may set 4194304 bytes"},
};

/* What another limit stops is given time to reach it, on a machine that is busy too. */
static int64_t time_limit_for(const struct attack *attack)
{
    bool by_time = !*attack->logged || strstr(attack->logged, "time limit") ||
                   strstr(attack->logged, "went over the ");
    return by_time ? 100 : 20000;
}

static void run_attack(struct fixture *f, const struct attack *attack)
{
    char text[1024];
    f->config.time_limit_ms = time_limit_for(attack);
    /* the attack first, so that its line is 2 */
    snprintf(text, sizeof text,
             "local function attack(msg)\n%s\nend\n"
             "return function(msg)\n"
             "if msg.envelope.recipient ~= 'honest@example.com' then return attack(msg) end\n"
             "local t = {} for i = 1, 1000 do t[i] = {('x'):rep(i)} end\n"
             "return 'https://a.example/' .. #t\nend",
             attack->body);
    fixture_rules(f, "10.lua", text);
    fixture_load(f);
    int64_t start = clock_monotonic_ms();
    fixture_run(f, "user@example.com");
    assert_true(clock_monotonic_ms() - start < STOPPED_WITHIN_MS);
    assert_raises(f, attack->logged);
    fixture_run(f, "honest@example.com");
    assert_goes_to(f, "https://a.example/1000");
}

static void test_attacks(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        int64_t start = clock_monotonic_ms();
        run_attack(f, &attacks[i]);
        print_message("    stopped: %s, %lld ms\n", attacks[i].name,
                      (long long)(clock_monotonic_ms() - start));
    }
}

/* On the honest side of the limits */
static void test_work_within_limits_is_done(void **state)
{
    fixture_body(*state, "local s = ('x'):rep(30 * 1024 * 1024) return 'https://a.example/' .. #s");
    assert_goes_to(*state, "https://a.example/31457280");
    fixture_body(*state, "local n = 0 for i = 1, 100000 do n = n + 1 end"
                         " return 'https://a.example/' .. n");
    assert_goes_to(*state, "https://a.example/100000");
    /* garbage is not counted: 1 GB of it in strings of 10 MB */
    struct fixture *f = *state;
    f->config.time_limit_ms = 20000;
    fixture_body(f,
                 "for i = 1, 100 do local s = ('x'):rep(10485760) end return 'https://a.example/'");
    assert_goes_to(f, "https://a.example/");
}

static void test_memory_limit_has_two_sides(void **state)
{
    struct fixture *f = *state;
    f->config.memory_limit = 8 << 20;
    fixture_body(f, "local s = ('x'):rep(2 * 1048576) return 'https://a.example/'");
    assert_goes_to(f, "https://a.example/");
    fixture_body(f, "local s = ('x'):rep(8 * 1048576) return 'https://a.example/'");
    assert_raises(f, "memory limit of 8388608 bytes");
}

static void test_hoarding_state_is_made_anew(void **state)
{
    struct fixture *f = *state;
    fixture_rule(f, "local hoard = {}\n"
                    "return function(msg)\n"
                    "  for i = 1, 20 do hoard[#hoard + 1] = ('x'):rep(1048576) .. #hoard end\n"
                    "  return 'https://a.example/' .. #hoard\n"
                    "end");
    assert_goes_to(f, "https://a.example/20");
    fixture_run(f, "user@example.com");
    assert_goes_to(f, "https://a.example/40");
    fixture_run(f, "user@example.com");
    assert_logged(f, "rules-state-renewed");
    fixture_run(f, "user@example.com");
    assert_goes_to(f, "https://a.example/20");
}

static void test_loading_is_limited(void **state)
{
    struct fixture *f = *state;
    fixture_rules(f, "10.lua", "local t = {}\nwhile true do t[#t + 1] = {} end");
    assert_non_null(strstr(fixture_load_error(f), "memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULES_TEST(test_attacks),
        RULES_TEST(test_work_within_limits_is_done),
        RULES_TEST(test_memory_limit_has_two_sides),
        RULES_TEST(test_hoarding_state_is_made_anew),
        RULES_TEST(test_loading_is_limited),
    };
    return RUN_TESTS(tests);
}
