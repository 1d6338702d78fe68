/* A request's body: JSON, read by lua-cjson into a Lua table of bounded depth. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <string.h>

#include "request.h"

#define DEPTH_MAX 8

static int decode(lua_State *L)
{
    const struct request *request = lua_touserdata(L, 1);
    luaL_openlibs(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "cjson");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "decode_max_depth");
    lua_pushinteger(L, DEPTH_MAX);
    lua_call(L, 1, 0);
    lua_getfield(L, -1, "decode");
    lua_pushlstring(L, request->body ? request->body : "", request->body_size);
    lua_call(L, 1, 1);
    return 1;
}

struct lua_State *request_body(struct request *request)
{
    lua_State *L = luaL_newstate();
    if (!L) {
        response_error(request, 503, "out of memory");
        return NULL;
    }
    lua_pushcfunction(L, decode);
    lua_pushlightuserdata(L, request);
    if (lua_pcall(L, 1, 1, 0) == 0 && lua_istable(L, -1))
        return L;
    response_error(request, 400, "the body is not a JSON object");
    lua_close(L);
    return NULL;
}

const char *body_text(struct lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 1); /* the table keeps it */
    return text && *text ? text : NULL;
}
