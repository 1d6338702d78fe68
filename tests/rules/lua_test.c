/* Tests that are written in Lua: the official conformance tests of CEL, and our patterns against
 * LuaJIT's. */
#include "fixture.h"

#include <lauxlib.h>
#include <stdio.h>
#include <unistd.h>

#include "rules/core.h"
#include "rules/state.h"

#define CONFORMANCE "/work/shared/corpora/cel/conformance.jsonl"

struct script {
    const char *file, *argument;
    int result;
};

/* In a state as the rules', but with every library. */
static int run_script(lua_State *L)
{
    struct script *script = lua_touserdata(L, 1);
    core_open(L);
    if (luaL_loadfile(L, script->file) != 0)
        return lua_error(L);
    lua_pushstring(L, script->argument);
    lua_call(L, 1, 1);
    script->result = (int)lua_tointeger(L, -1);
    return 0;
}

static int run(const char *file, const char *argument)
{
    static char text[65536];
    struct script script = {file, argument, 0};
    struct state *state = state_new(256 << 20);
    assert_non_null(state);
    state_begin(state, 100000);
    int code = state_call(state, run_script, &script, text, sizeof text);
    state_end(state);
    state_free(state);
    if (code != 0)
        fail_msg("%s", text);
    return script.result;
}

static void test_cel_conformance(void **state)
{
    (void)state;
    if (access(CONFORMANCE, R_OK) != 0) {
        print_message("skipped: " CONFORMANCE " is not here\n");
        skip();
    }
    int total = run(LUA_TESTS "/cel_conformance.lua", CONFORMANCE);
    print_message("    %d conformance tests pass\n", total);
    assert_true(total >= 600);
}

static void test_patterns_are_as_luajit_has_them(void **state)
{
    static const char *const seeds[] = {"1", "2", "3"};
    (void)state;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        assert_int_equal(run(LUA_TESTS "/patterns.lua", seeds[i]), 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cel_conformance),
        cmocka_unit_test(test_patterns_are_as_luajit_has_them),
    };
    return RUN_TESTS(tests);
}
