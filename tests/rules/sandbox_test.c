/* What a rule cannot reach, and what it can. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct attempt {
    const char *body, *says;
};

static void test_what_is_refused(void **state)
{
    static const struct attempt attempts[] = {
        {"counter = 1",
         "10.lua:2: global 'counter' cannot be set: rules share nothing; write `local"},
        {"_G.counter = 1", "global 'counter' cannot be set"},
        {"string = nil", "global 'string' cannot be set"},
        {"string.find = nil", "string.find cannot be set"},
        {"function string.shout() end", "string.shout cannot be set"},
        {"route.discard = nil", "mxhook.route.discard cannot be set"},
        {"setmetatable('', {})", "bad argument"},
        {"setmetatable(_G, {})", "cannot change a protected metatable"},
        {"setmetatable(string, nil)", "cannot change a protected metatable"},
        {"setmetatable(route.discard(), nil)", "cannot change a protected metatable"},
        {"return getmetatable('').__index.x", "attempt to index a boolean value"},
        {"return io.open('/etc/passwd')", "global 'io'"},
        {"return os.execute('true')", "attempt to call field 'execute'"},
        {"return os.getenv('HOME')", "attempt to call field 'getenv'"},
        {"return os.exit(0)", "attempt to call field 'exit'"},
        {"return debug.getregistry()", "global 'debug'"},
        {"return package.loadlib('x', 'y')", "global 'package'"},
        {"return require('ffi')", "there is no module 'ffi'"},
        {"return require('debug')", "there is no module 'debug'"},
        {"return require('mxhook.core')", "there is no module 'mxhook.core'"},
        {"return require('mxhook.sandbox')", "there is no module 'mxhook.sandbox'"},
        {"return require('../../etc/x')", "there is no module"},
        {"return getfenv(0)", "global 'getfenv'"},
        {"return setfenv(1, {})", "global 'setfenv'"},
        {"debug.setmetatable(0, {})", "global 'debug'"},
        {"return getmetatable(msg).__index.x", "attempt to index field '__index'"},
        {"return newproxy(true)", "global 'newproxy'"},
        {"return dofile('/etc/passwd')", "global 'dofile'"},
        {"return loadfile('/etc/passwd')", "global 'loadfile'"},
        {"return string.dump(function() end)", "attempt to call field 'dump'"},
        {"collectgarbage('stop')", "rules may only count"},
        {"assert(load('\\27LJ\\2'))", "attempt to load"},
        {"assert(load('return 1', 'x', 'b'))", "rules load text only"},
        {"assert(load('leaked = 1'))()", "global 'leaked' cannot be set"},
        {"return load('return io.open(1)', 'n', 't', nil)()", "global 'io'"},
        {"return load('return io.open', 'n', 't', false)()", "load: an environment is a table"},
        {"return load('return io.open', 'n', 't', 'x')()", "load: an environment is a table"},
        {"return loadstring('return io.open(1)', 'n', nil, nil)()", "global 'io'"},
        {"return env('PATH')", "only the environment variables that begin with MXHOOK_"},
        {"require('cjson').encode = nil", "cjson.encode cannot be set"},
        {"require('rex').new('a').__index.x = 1", "attempt to index field '__index'"},
        {"require('rex').new('a').match = nil; require('rex').new('a').code.x = 1",
         "attempt to index field 'code'"},
        {"require('mxhook.cel').compile('size > 1')({})", "is asked about msg, not about a table"},
        {"require('mxhook.cel').compile('size > 1')(msg.headers)", "about msg"},
        {"require('rex').match('a', 'a', 1, setmetatable({}, {__concat = function() end}))",
         "flags are letters"},
        {"string.format('%s', setmetatable({}, {__tostring = function() return {} end}))",
         "must give a string"},
        {"table.insert({}, 0, 1)", "position 0 is before the list"},
        {"table.insert({}, 0 / 0, 1)", "is before the list"},
        {"table.insert({}, 1, 2, 3)", "a list, a position or none, and a value"},
        {"require('cjson').decode(('['):rep(2e7))", "over 16 MiB of JSON"},
        {"require('rex').match = nil", "rex.match cannot be set"},
        {"return require('cjson').encode(string.rep)", "Cannot serialise function"},
    };
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        fixture_body(*state, attempts[i].body);
        assert_raises(*state, attempts[i].says);
    }
}

static void test_what_works(void **state)
{
    static const char *const bodies[] = {
        "assert(('a,b'):upper() == 'A,B')",
        "assert(('key = value'):match('^(%w+)%s*=%s*(%w+)$') == 'key')",
        "assert(select(2, ('key=value'):match('(%w+)=(%w+)')) == 'value')",
        "assert(('hello world'):gsub('o', '0') == 'hell0 w0rld')",
        "assert(('hello'):gsub('l', {l = 'L'}) == 'heLLo')",
        "assert(('hello'):gsub('(h)(e)', '%2%1%0%%') == 'ehhe%llo')",
        "assert(('abc'):gsub('', '-') == '-a-b-c-')",
        "assert(('abc'):gsub('%w', function(c) return c ~= 'b' and c:upper() or nil end) == 'AbC')",
        "assert(select(2, ('aaa'):gsub('a', 'b', 2)) == 2)",
        "assert(('aaa'):gsub('^a', 'b') == 'baa')",
        "local t = {} for w in ('one two'):gmatch('%a+') do t[#t + 1] = w end"
        " assert(table.concat(t, '|') == 'one|two')",
        "local t = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do t[k] = v end"
        " assert(t.a == '1' and t.b == '2')",
        "assert(('a.b'):find('.', 1, true) == 2 and ('a.b'):find('%.') == 2)",
        "assert(('f(a(b)c)d'):match('%b()') == '(a(b)c)')",
        "assert(('THE (quick) fox'):find('%f[%a]%a+%f[%A]') == 1)",
        "assert(('x=x'):find('^(%w)=%1$') == 1)",
        "assert(('abc'):match('()b()') == 2)",
        "assert(('[]'):match('[]]') == ']' and ('a-z'):match('[%a-]+') == 'a-z')",
        "assert(('abc'):find('b', -1) == nil and ('abc'):find('b', -2) == 2)",
        "assert(('a\\0b'):find('%z') == 2)",
        "assert(not pcall(string.find, 'a', '[a') and not pcall(string.find, 'a', '%'))",
        "assert(not pcall(string.find, 'a', '(a') and not pcall(string.find, 'a', '(a))'))",
        "local t = {3, 1, 2} table.sort(t) assert(t[1] == 1 and t[3] == 3)",
        "local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) assert(t[1] == 3)",
        "local t = {} for i = 1, 100 do t[i] = (i * 37) % 101 end table.sort(t)"
        " for i = 2, 100 do assert(t[i - 1] <= t[i]) end",
        "assert(coroutine.wrap(function() coroutine.yield(7) end)() == 7)",
        "local c = coroutine.create(function(a) local b = coroutine.yield(a) return b end)"
        " local _, a = coroutine.resume(c, 1) local _, b = coroutine.resume(c, 2)"
        " assert(a == 1 and b == 2)",
        "local ok, e = pcall(error, {code = 7}) assert(not ok and e.code == 7)",
        "local ok, e = xpcall(function() error('x', 0) end, function(e) return e .. '!' end)"
        " assert(not ok and e == 'x!')",
        "assert(select('#', xpcall(function(...) return ... end, print, nil, nil)) == 3)",
        "assert(load('return ...')(5) == 5 and load('return x', 'n', 't', {x = 4})() == 4)",
        "assert(os.date('!%Y', 0) == '1970' and os.time() > 1e9 and math.floor(2.5) == 2)",
        "assert(bit.band(6, 3) == 2)",
        "local t = {1, 2} table.insert(t, 3) table.insert(t, 1, 0) table.insert(t, '2', 9)"
        " assert(table.concat(t, ',') == '0,9,1,2,3')",
        "local t = {1, 2, 3} assert(table.remove(t) == 3 and table.remove(t, 1) == 1 and #t == 1)"
        " assert(table.remove({}) == nil and table.remove(t, 7) == nil and t[1] == 2)",
        "local t = {} table.insert(t, 5, 'x') assert(t[5] == 'x')",
        "local found = 0 for name, f in pairs(string) do assert(string[name] == f) found = found + "
        "1 end"
        " assert(found == 13)",
        "assert(('%s %d %5.1f %q'):format(true, 7, 2.5, 'a') == 'true 7   2.5 \"a\"')",
        "assert(('%s|%s'):format(setmetatable({}, {__tostring = function() return 'me' end}), nil)"
        " == 'me|nil')",
        "assert(load(('local x = 1 '):rep(150) .. 'return 7')() == 7)",
        "assert(load(('--' .. ('x'):rep(5000) .. '\\n'):rep(3) .. 'return 8')() == 8)",
        "local c = require 'cjson' assert(c.decode(c.encode({a = {1, 2}})).a[2] == 2)",
        "assert(require('cjson').decode('null') == require('cjson').null)",
        "assert(require('mxhook.route').discard and require('mxhook.alias') == alias and "
        "require('mxhook.store').add)",
        "assert(tostring(nil) == 'nil' and tonumber('0x10') == 16 and unpack({5}) == 5)",
        "local n = 0 for _ in pairs({a = 1, b = 2}) do n = n + 1 end assert(n == 2)",
        "assert(env('MXHOOK_NOT_SET', 'd') == 'd' and env('MXHOOK_TEST') == 'yes')",
        /* tables have no finalizer in Lua 5.1, and nothing here makes a userdata with one */
        "setmetatable({}, {__gc = function() while true do end end})",
        "rawset(_G, 'mine', 1)",
    };
    setenv("MXHOOK_TEST", "yes", 1);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        fixture_body(*state, bodies[i]);
        struct fixture *f = *state;
        if (f->verdict->kind != VERDICT_NO_MATCH)
            fail_msg("%s: %s", bodies[i], f->log);
    }
}

static void test_zones_are_of_the_database(void **state)
{
    static const char *const bodies[] = {
        "assert(z('Europe/Berlin') == 1 and z('America/Argentina/Ushuaia') and z('Etc/GMT-14'))",
        "assert(z('+14:00') and z('-14:00') and z('02:00') and z('UTC') and z('Z'))",
    };
    static const char *const refused[] = {
        "../../../etc/passwd",
        "/etc/passwd",
        "/dev/tty",
        "Europe/../Europe/Berlin",
        "Europe",
        "",
        "Europe/",
        "/",
        "Europe//Berlin",
        "No/Where",
        "tzdata.zi",
        "zone1970.tab",
        "+14:01",
        "-14:01",
        "+99:99",
        "+01:60",
        "EST5EDT,M3.2.0,M11.1.0",
    };
    static const char rule[] = "local cel = require 'mxhook.cel'\n"
                               "return function(msg)\n"
                               "  local function z(name)\n"
                               "    return cel.compile(\"recipient != '' && "
                               "timestamp(0).getHours(helo + '\" .. name .. \"') "
                               "== 1\")(msg) and 1 or 0\n"
                               "  end\n"
                               "  %s\nend";
    struct fixture *f = *state;
    char text[1024];
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        snprintf(text, sizeof text, rule, bodies[i]);
        fixture_rule(f, text);
        if (f->verdict->kind != VERDICT_NO_MATCH)
            fail_msg("%s: %s", bodies[i], f->log);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char body[200];
        snprintf(body, sizeof body, "z('%s')", refused[i]);
        snprintf(text, sizeof text, rule, body);
        fixture_rule(f, text);
        assert_raises(f, "time zone");
    }
}

/* A name that leads to a pipe, in a zone database of its own: reading it would never end. */
static void test_zones_that_are_no_files(void **state)
{
    struct fixture *f = *state;
    char path[100];
    snprintf(path, sizeof path, "%s/Pipe", f->directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    setenv("TZDIR", f->directory, 1);
    fixture_body(
        f, "require('mxhook.cel').compile(\"timestamp(0).getHours(helo + 'Pipe') == 1\")(msg)");
    unsetenv("TZDIR");
    assert_raises(f, "unknown time zone 'Pipe'");
}

static void test_files_share_nothing(void **state)
{
    struct fixture *f = *state;
    fixture_rules(f, "10.lua",
                  "rawset(_G, 'leak', 1) rawset(string, 'leak', 1) rawset(route, 'leak', 1)\n"
                  "rawset(require('cjson'), 'leak', 1)\n"
                  "require('names').leak = 1\n"
                  "return function() return route.also('https://a.example/') end");
    fixture_rules(f, "20.lua",
                  "return function()\n"
                  "assert(leak == nil and string.leak == nil and route.leak == nil)\n"
                  "assert(require('cjson').leak == nil and require('names').leak == nil)\n"
                  "return 'https://b.example/' .. require('names').tenant end");
    fixture_rules(f, "lib/names.lua", "return {tenant = 'blue'}");
    fixture_load(f);
    fixture_run(f, "user@example.com");
    assert_goes_to(f, "https://a.example/ https://b.example/blue");
}

static void test_lib_files(void **state)
{
    struct fixture *f = *state;
    fixture_rules(f, "lib/a.lua", "return require 'b'");
    fixture_rules(f, "lib/b.lua", "return require 'a'");
    fixture_body(f, "return require 'a'");
    assert_raises(f, "requires itself");
    fixture_rules(f, "lib/a.lua", "\nreturn syntax error");
    fixture_body(f, "return require 'a'");
    assert_raises(f, "lib/a.lua:2:");
    fixture_rules(f, "lib/a.lua", "leaked = 1");
    fixture_body(f, "return require 'a'");
    assert_raises(f, "lib/a.lua:1: global 'leaked' cannot be set");
}

static void test_log_is_written_under_the_message(void **state)
{
    fixture_body(*state, "log('tenant', 7, nil) print('and this')");
    assert_logged(*state, "info rule id=test-1 rule=10.lua:1 text=\"tenant 7 nil\"");
    assert_logged(*state, "text=\"and this\"");
}

static void test_unsafe_gives_what_it_says(void **state)
{
    struct fixture *f = *state;
    f->config.unsafe = true;
    fixture_body(f, "assert(io.open('/dev/null')):close() assert(os.getenv('HOME') ~= 1)\n"
                    "assert(debug.traceback and package.path and require('ffi').C)\n"
                    "return 'https://a.example/'");
    assert_goes_to(f, "https://a.example/");
    f->config.time_limit_ms = 100;
    fixture_body(f, "while true do end");
    assert_raises(f, "time limit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULES_TEST(test_what_is_refused),
        RULES_TEST(test_what_works),
        RULES_TEST(test_zones_are_of_the_database),
        RULES_TEST(test_zones_that_are_no_files),
        RULES_TEST(test_files_share_nothing),
        RULES_TEST(test_lib_files),
        RULES_TEST(test_log_is_written_under_the_message),
        RULES_TEST(test_unsafe_gives_what_it_says),
    };
    return RUN_TESTS(tests);
}
