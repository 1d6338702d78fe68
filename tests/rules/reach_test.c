/* What a rule can reach: nothing that can change is shared between two files or with the server's own
 * Lua code, and what a rule does to a library stops nobody else. */
#include "fixture.h"

#include <lauxlib.h>
#include <stdio.h>

#include "rules/engine.h"
#include "rules/msg.h"

#define FILES "return function(msg) return nil end"

/* In place of the first rule: it is asked with msg, in a run, but outside of the sandbox. */
static int walk_in_run(lua_State *L)
{
    lua_settop(L, 1);
    if (luaL_loadfile(L, LUA_TESTS "/sharing.lua") != 0)
        return lua_error(L);
    if (luaL_dofile(L, LUA_TESTS "/walk.lua") != 0)
        return lua_error(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushvalue(L, 1);
    lua_call(L, 4, 1);
    printf("    reached: %s\n", lua_tostring(L, -1));
    lua_getglobal(L, "tostring");
    lua_setglobal(L, "walked");
    return 0;
}

static void test_files_share_nothing_that_can_change(void **state)
{
    struct fixture *f = *state;
    fixture_rules(f, "10.lua", FILES);
    fixture_rules(f, "20.lua", FILES);
    fixture_rules(f, "lib/a.lua", "return {list = {}}");
    f->config.time_limit_ms = 60000;
    fixture_load(f);
    lua_State *L = f->ruleset->states[0]->L;
    lua_getfield(L, LUA_REGISTRYINDEX, ENGINE_RULES);
    lua_rawgeti(L, 1, 1);
    lua_rawgeti(L, 1, 2);
    lua_pushcclosure(L, walk_in_run, 2);
    lua_rawseti(L, 1, 1);
    lua_settop(L, 0);
    fixture_run(f, "user@example.com");
    if (f->verdict->kind != VERDICT_NO_MATCH)
        fail_msg("%s", f->log);
    lua_getglobal(L, "walked"); /* so the walk was made */
    assert_true(lua_isfunction(L, -1));
    lua_settop(L, 0);
}

/* A file with rules.unsafe can break every library. Our own code has copies of what it calls, so the
 * rules of other files, constructors' and functions', still work. */
static void test_own_code_does_not_depend_on_libraries(void **state)
{
    struct fixture *f = *state;
    f->config.unsafe = true;
    fixture_rules(
        f, "10.lua",
        "return function(msg)\n"
        "  local function broken() while true do end end\n"
        "  local main = debug.getfenv(require)\n"
        "  for _, name in ipairs { 'string', 'table', 'math', 'os', 'coroutine', 'bit' } do\n"
        "    for key in next, package.loaded[name] do package.loaded[name][key] = broken end\n"
        "  end\n"
        "  for key, value in next, package.loaded._G do\n"
        "    if type(value) == 'function' then rawset(package.loaded._G, key, broken) end\n"
        "  end\n"
        "end");
    fixture_rules(
        f, "20.lua",
        "local rex, cel, store = require 'rex', require 'mxhook.cel', require 'mxhook.store'\n"
        "local matches = cel.compile(\"subject.matches('^H') && subject.lowerAscii() == 'hello' && "
        "to.exists(t, t.startsWith('user@')) && subject.split('l').join('-') == 'He--o' && "
        "size > 10 && timestamp.getHours('Europe/Berlin') >= 0 && '%d %s'.format([size, subject]) "
        "!= '' && headers.map(h, h).size() > 1 && string(timestamp) != '' && "
        "subject.trim().replace('l', 'L').contains('LL')\")\n"
        "return { function(msg)\n"
        "  local t = {3, 1, 2}\n"
        "  table.sort(t) table.insert(t, 1, 0) assert(table.remove(t) == 3 and #t == 3)\n"
        "  assert(('a-b'):gsub('%w', '%0%0') == 'aa-bb')\n"
        "  for w in ('a b'):gmatch('%a') do assert(#w == 1) end\n"
        "  assert(rex.gsub('abc', 'b', '%0%0') == 'abbc' and rex.count('aaa', 'a') == 3)\n"
        "  assert(coroutine.wrap(function() coroutine.yield(7) end)() == 7)\n"
        "  assert(load('return 1 + ...')(1) == 2 and require('cjson').encode({1}) == '[1]')\n"
        "  for k in pairs(string) do assert(k) end\n"
        "  store.set('k', 'v') assert(store.get('k') == 'v')\n"
        "  log('told') assert(matches(msg), 'cel')\n"
        "end,\n"
        "route.regex { subject = 'no such subject', to = 'null' },\n"
        "route.cel { when = 'subject == \"x\"', to = 'null' },\n"
        "alias { ['/^(.*)@example\\\\.com$/'] = 'https://a.example/$1' } }");
    fixture_load(f);
    fixture_run(f, "user@example.com");
    if (f->verdict->kind != VERDICT_DELIVER)
        fail_msg("%s", f->log);
    assert_goes_to(f, "https://a.example/user");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RULES_TEST(test_files_share_nothing_that_can_change),
        RULES_TEST(test_own_code_does_not_depend_on_libraries),
    };
    return RUN_TESTS(tests);
}
