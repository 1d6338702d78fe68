/* CEL: the official conformance tests, and what rules use of it. */
#include "fixture.h"

#include <lauxlib.h>
#include <stdio.h>
#include <unistd.h>

#include "rules/core.h"
#include "rules/state.h"

#define CONFORMANCE "/work/shared/corpora/cel/conformance.jsonl"

static int run_conformance(lua_State *L)
{
    int *total = lua_touserdata(L, 1);
    core_open(L);
    if (luaL_loadfile(L, CEL_TESTS "/conformance.lua") != 0)
        return lua_error(L);
    lua_pushstring(L, CONFORMANCE);
    lua_call(L, 1, 1);
    *total = (int)lua_tointeger(L, -1);
    return 0;
}

static void test_conformance(void **state)
{
    static char text[65536];
    int total = 0;
    (void)state;
    if (access(CONFORMANCE, R_OK) != 0) {
        print_message("skipped: " CONFORMANCE " is not here\n");
        skip();
    }
    struct state *lua = state_new(256 << 20);
    assert_non_null(lua);
    state_begin(lua, 60000);
    int code = state_call(lua, run_conformance, &total, text, sizeof text);
    state_end(lua);
    state_free(lua);
    if (code != 0)
        fail_msg("%s", text);
    print_message("    %d conformance tests pass\n", total);
    assert_true(total >= 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_conformance)};
    return RUN_TESTS(tests);
}
