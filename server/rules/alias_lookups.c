#include "alias_lookups.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "../lookup/questions.h"
#include "state.h"

#define LOOKUP_TYPE "mxhook.alias.lookup"

struct lookup_handle {
    enum lookup_kind kind;
    char name[64]; /* lua/mxhook/source_readers.lua allows 60 */
};

static const char *const functions[] = {[LOOKUP_HTTP] = "http", [LOOKUP_POSTGRES] = "postgres"};

static int open_lookup(lua_State *L, enum lookup_kind kind)
{
    const char *name = luaL_checkstring(L, 1);
    struct lookup_handle *handle = lua_newuserdata(L, sizeof *handle);
    luaL_argcheck(L, strlen(name) < sizeof handle->name, 1, "a name that is too long");
    handle->kind = kind;
    strcpy(handle->name, name);
    luaL_getmetatable(L, LOOKUP_TYPE);
    lua_setmetatable(L, -2);
    return 1;
}

static int open_http(lua_State *L)
{
    return open_lookup(L, LOOKUP_HTTP);
}

static int open_postgres(lua_State *L)
{
    return open_lookup(L, LOOKUP_POSTGRES);
}

static int sources(lua_State *L)
{
    const struct rules_config *config = state_of(L)->config;
    lua_newtable(L);
    for (size_t i = 0; config && i < config->source_count; i++) {
        lua_pushstring(L, config->sources[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* What is known of one address. */
static int ask(lua_State *L, const struct lookup_handle *handle, const char *address,
               const struct lookup_answer **answer)
{
    int code = questions_get(state_of(L)->questions, handle->kind, handle->name, address, answer);
    if (code == -ENOENT)
        luaL_error(
            L, "alias.%s(\"%s\"): this test does not say what it answers: lookups = { %s = {...} }",
            functions[handle->kind], handle->name, handle->name);
    if (code == -ENOMEM)
        luaL_error(L, "not enough memory");
    return code;
}

/* Each that has to be asked for is noted before the run ends: so they are asked for together. */
static int find_by_lookup(lua_State *L)
{
    const struct lookup_handle *handle = luaL_checkudata(L, 1, LOOKUP_TYPE);
    const struct lookup_answer *answer = NULL;
    bool asks = false;
    if (!state_of(L)->questions)
        return luaL_error(L, "alias.%s: nobody is asked while rules load", functions[handle->kind]);
    for (int i = 2; i <= lua_gettop(L); i++) {
        int code = ask(L, handle, luaL_checkstring(L, i), &answer);
        if (code == -EAGAIN)
            asks = true;
        else if (code != 0 || (!asks && answer->status == LOOKUP_UNKNOWN))
            return state_interrupt(L, STATE_STOP_UNKNOWN);
        else if (!asks && answer->status == LOOKUP_FOUND) {
            lua_pushlstring(L, answer->text, answer->size);
            return 1;
        }
    }
    return asks ? state_interrupt(L, STATE_STOP_ASKS) : 0;
}

void alias_lookups_open(lua_State *L)
{
    luaL_newmetatable(L, LOOKUP_TYPE);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "aliases");
    lua_setfield(L, -2, "__metatable");
    lua_pushcfunction(L, find_by_lookup);
    lua_setfield(L, -2, "find");
    lua_pop(L, 1);
    lua_pushcfunction(L, open_http);
    lua_setfield(L, -2, "http");
    lua_pushcfunction(L, open_postgres);
    lua_setfield(L, -2, "postgres");
    lua_pushcfunction(L, sources);
    lua_setfield(L, -2, "sources");
}
