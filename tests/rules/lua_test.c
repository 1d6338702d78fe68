/* Tests that are written in Lua: our patterns against LuaJIT's; and, as `lua_test cel`, the official conformance
 * tests of CEL, which are kept outside the tree: exit code 77 where they are not there. */
#include "fixture.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rules/core.h"
#include "rules/state.h"

#define CONFORMANCE CORPORA "/cel/conformance.jsonl"
#define ROWS        LUA_TESTS "/rows.lua" /* what some scripts share */
#define SKIPPED     77

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

static void test_replies_of_many_programs(void **state)
{
    (void)state;
    assert_int_equal(run(LUA_TESTS "/reply_text.lua", ""), 114);
}

static void test_cel_optionals(void **state)
{
    (void)state;
    assert_true(run(LUA_TESTS "/cel_optionals.lua", "") >= 100);
}

static void test_messages_of_tests(void **state)
{
    (void)state;
    assert_int_equal(run(LUA_TESTS "/messages.lua", ""), 265);
}

static void test_cel_numbers(void **state)
{
    (void)state;
    assert_int_equal(run(LUA_TESTS "/cel_numbers.lua", ""), 53);
}

static void test_cel_is_checked_at_load(void **state)
{
    (void)state;
    assert_true(run(LUA_TESTS "/cel_load.lua", "") >= 200);
}

static void test_cel_times(void **state)
{
    (void)state;
    assert_true(run(LUA_TESTS "/cel_time.lua", "") >= 30000);
}

static void test_modules_at_their_limits(void **state)
{
    (void)state;
    assert_int_equal(run(LUA_TESTS "/modules.lua", ROWS), 287);
}

static void test_libraries_at_their_limits(void **state)
{
    (void)state;
    assert_int_equal(run(LUA_TESTS "/libraries.lua", ROWS), 801);
}

static void test_aliases_that_reach_nobody(void **state)
{
    (void)state;
    assert_int_equal(run(LUA_TESTS "/unreachable.lua", ""), 63);
}

static void test_runner_of_tests(void **state)
{
    (void)state;
    assert_int_equal(run(LUA_TESTS "/runner.lua", ROWS), 161);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest patterns[] = {cmocka_unit_test(test_patterns_are_as_luajit_has_them),
                                          cmocka_unit_test(test_replies_of_many_programs),
                                          cmocka_unit_test(test_cel_optionals),
                                          cmocka_unit_test(test_cel_times),
                                          cmocka_unit_test(test_cel_numbers),
                                          cmocka_unit_test(test_messages_of_tests),
                                          cmocka_unit_test(test_cel_is_checked_at_load),
                                          cmocka_unit_test(test_modules_at_their_limits),
                                          cmocka_unit_test(test_libraries_at_their_limits),
                                          cmocka_unit_test(test_aliases_that_reach_nobody),
                                          cmocka_unit_test(test_runner_of_tests)};
    const struct CMUnitTest cel[] = {cmocka_unit_test(test_cel_conformance)};
    if (argc < 2 || strcmp(argv[1], "cel") != 0)
        return RUN_TESTS(patterns);
    if (access(CONFORMANCE, R_OK) != 0) {
        printf("skipped: there is no %s (MXHOOK_CORPORA says where to look)\n", CONFORMANCE);
        return SKIPPED;
    }
    return RUN_TESTS(cel);
}
