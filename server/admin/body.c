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

/* The fields that are texts; `nul`: in which a NUL byte may stand, where else what is behind it would be lost. */
static const struct body_field {
    const char *name;
    bool nul;
} texts[] = {{"client_ip", false}, {"file", false},   {"id", false},        {"message", true},
             {"password", false},  {"reason", false}, {"recipient", false}, {"scope", false},
             {"sender", false},    {"text", true},    {"url", false},       {"user", false}};

/* The first field that should be a text and is not; NULL: all are. */
static const char *wrong_field(lua_State *L)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t size = 0;
        lua_getfield(L, 1, texts[i].name);
        int type = lua_type(L, -1);
        const char *text = type == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
        lua_pop(L, 1); /* the table keeps it */
        if (text ? !texts[i].nul && strlen(text) != size
                 : type != LUA_TNIL && type != LUA_TLIGHTUSERDATA) /* null */
            return texts[i].name;
    }
    return NULL;
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
    const char *wrong = NULL;
    if (lua_pcall(L, 1, 1, 0) != 0 || !lua_istable(L, -1))
        response_error(request, 400, "the body is not a JSON object");
    else if ((wrong = wrong_field(L)))
        response_error(request, 400, "%s: a text is expected", wrong);
    else
        return L;
    lua_close(L);
    return NULL;
}

const char *body_bytes(struct lua_State *L, const char *name, size_t *size)
{
    lua_getfield(L, 1, name);
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, size) : NULL;
    lua_pop(L, 1); /* the table keeps it */
    return text && *size > 0 ? text : NULL;
}

const char *body_text(struct lua_State *L, const char *name)
{
    size_t size;
    return body_bytes(L, name, &size);
}

bool body_number(struct lua_State *L, const char *name, int64_t min, int64_t max, int64_t *number)
{
    lua_getfield(L, 1, name);
    int type = lua_type(L, -1);
    double value = lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (type == LUA_TNIL || type == LUA_TLIGHTUSERDATA) /* null */
        return true;
    /* Exact up to 2^53, as JSON's numbers are; compared before it is converted, which NaN and 1e300 have no way of. */
    if (type != LUA_TNUMBER || !(value >= (double)min && value <= (double)max) || value > 0x1p53 ||
        value != (double)(int64_t)value)
        return false;
    *number = (int64_t)value;
    return true;
}
