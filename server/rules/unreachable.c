/* unreachable.c - which aliases can answer nobody, for mxhook check: lua/mxhook/unreachable.lua. */
#include "ruleset.h"

#include <lauxlib.h>
#include <string.h>

#include "../base/embedded.h"
#include "engine.h"

#define UNREACHABLE_TIME_MS 10000

struct inquiry {
    char *const *domains;
    size_t count;
    char *text;
};

static int ask(lua_State *L)
{
    struct inquiry *inquiry = lua_touserdata(L, 1);
    embedded_require(L, "mxhook.unreachable");
    lua_newtable(L);
    for (size_t i = 0; i < inquiry->count; i++) {
        lua_pushstring(L, inquiry->domains[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_call(L, 1, 1);
    inquiry->text = strdup(lua_tostring(L, -1));
    return 0;
}

char *ruleset_unreachable(struct ruleset *ruleset, char *const *domains, size_t count)
{
    struct state *state = ruleset->states[0];
    struct inquiry inquiry = {domains, count, NULL};
    char text[900];
    state_begin(state, UNREACHABLE_TIME_MS);
    int code = state_call(state, ask, &inquiry, text, sizeof text);
    state_end(state);
    return code == 0 ? inquiry.text : NULL;
}
