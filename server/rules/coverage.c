/* coverage.c - what tests of rules ask of a ruleset: a clock that stands, and which rules were reached. */
#include "ruleset.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "../base/embedded.h"
#include "engine.h"

#define COVERAGE_TIME_MS 10000

struct coverage {
    char *text;
    size_t size;
};

void ruleset_fix_time(struct ruleset *ruleset, int64_t unix_ms)
{
    ruleset->states[0]->fixed_ms = unix_ms;
}

static int track(lua_State *L)
{
    embedded_require(L, "mxhook.rule");
    lua_getfield(L, -1, "track");
    lua_getfield(L, LUA_REGISTRYINDEX, ENGINE_RULES);
    lua_call(L, 1, 0);
    return 0;
}

static int unreached(lua_State *L)
{
    const struct coverage *coverage = lua_touserdata(L, 1);
    embedded_require(L, "mxhook.rule");
    lua_getfield(L, -1, "unreached");
    lua_call(L, 0, 1);
    snprintf(coverage->text, coverage->size, "%s", lua_tostring(L, -1));
    return 0;
}

static void call(struct ruleset *ruleset, lua_CFunction function, void *data)
{
    struct state *state = ruleset->states[0];
    char text[900];
    state_begin(state, COVERAGE_TIME_MS);
    state_call(state, function, data, text, sizeof text);
    state_end(state);
}

void ruleset_track(struct ruleset *ruleset)
{
    call(ruleset, track, NULL);
}

void ruleset_unreached(struct ruleset *ruleset, char *text, size_t size)
{
    struct coverage coverage = {text, size};
    *text = '\0';
    call(ruleset, unreached, &coverage);
}
