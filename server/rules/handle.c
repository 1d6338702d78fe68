#include "handle.h"

#include <lauxlib.h>

#include "state.h"

struct handle {
    uint64_t serial;
    size_t index;
};

void handle_push(lua_State *L, const char *type, size_t index)
{
    struct handle *handle = lua_newuserdata(L, sizeof *handle);
    handle->serial = state_of(L)->serial;
    handle->index = index;
    luaL_getmetatable(L, type);
    lua_setmetatable(L, -2);
}

struct run *handle_check(lua_State *L, const char *type, size_t *index)
{
    struct handle *handle = luaL_checkudata(L, 1, type);
    struct state *state = state_of(L);
    if (!state->run || handle->serial != state->serial)
        luaL_error(L, "this message is gone: a rule cannot keep msg, or what is in it, for later");
    if (index)
        *index = handle->index;
    return state->run;
}
