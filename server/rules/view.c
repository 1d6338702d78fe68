#include "view.h"

#include <lauxlib.h>
#include <string.h>

#define VIEW_TYPE "mxhook.view"

const char *const view_any_field[] = {NULL};

struct view {
    const char *what;
    const char *const *fields;
};

int view_unknown_field(lua_State *L, const char *what, const char *field, const char *const *fields)
{
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (size_t i = 0; fields[i]; i++) {
        if (i > 0)
            luaL_addstring(&text, ", ");
        luaL_addstring(&text, fields[i]);
    }
    luaL_pushresult(&text);
    return luaL_error(L, "%s has no field '%s'; it has %s", what, field, lua_tostring(L, -1));
}

static int view_index(lua_State *L)
{
    struct view *view = luaL_checkudata(L, 1, VIEW_TYPE);
    lua_getfenv(L, 1);
    lua_pushvalue(L, 2);
    lua_gettable(L, -2);
    if (!lua_isnil(L, -1) || !view->fields || view->fields == view_any_field)
        return 1;
    const char *field = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    for (size_t i = 0; view->fields[i]; i++)
        if (strcmp(view->fields[i], field) == 0)
            return 1;
    return view_unknown_field(L, view->what, field, view->fields);
}

static int view_newindex(lua_State *L)
{
    struct view *view = luaL_checkudata(L, 1, VIEW_TYPE);
    return luaL_error(L, "%s is read-only: rules may change msg.headers only", view->what);
}

static int view_len(lua_State *L)
{
    luaL_checkudata(L, 1, VIEW_TYPE);
    lua_getfenv(L, 1);
    lua_pushinteger(L, (lua_Integer)lua_objlen(L, -1));
    return 1;
}

static int list_step(lua_State *L)
{
    lua_Integer i = luaL_checkinteger(L, 2) + 1;
    luaL_checkudata(L, 1, VIEW_TYPE);
    lua_getfenv(L, 1);
    lua_pushinteger(L, i);
    lua_rawgeti(L, -2, (int)i);
    return lua_isnil(L, -1) ? 1 : 2;
}

static int view_ipairs(lua_State *L)
{
    luaL_checkudata(L, 1, VIEW_TYPE);
    lua_pushcfunction(L, list_step);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

static int field_step(lua_State *L)
{
    luaL_checkudata(L, 1, VIEW_TYPE);
    lua_getfenv(L, 1);
    lua_pushvalue(L, 2);
    return lua_next(L, -2) ? 2 : 0;
}

/* Those that are made when they are first read. */
static void make_fields(lua_State *L, const struct view *view)
{
    lua_getfenv(L, 1);
    for (size_t i = 0; view->fields[i] && lua_getmetatable(L, -1); i++) {
        lua_pop(L, 1);
        lua_getfield(L, -1, view->fields[i]);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static int view_pairs(lua_State *L)
{
    struct view *view = luaL_checkudata(L, 1, VIEW_TYPE);
    if (!view->fields)
        return view_ipairs(L);
    make_fields(L, view);
    lua_pushcfunction(L, field_step);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int view_tostring(lua_State *L)
{
    struct view *view = luaL_checkudata(L, 1, VIEW_TYPE);
    lua_pushfstring(L, "(%s)", view->what);
    return 1;
}

void view_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"__index", view_index},
                                       {"__newindex", view_newindex},
                                       {"__len", view_len},
                                       {"__ipairs", view_ipairs},
                                       {"__pairs", view_pairs},
                                       {"__tostring", view_tostring},
                                       {NULL, NULL}};
    luaL_newmetatable(L, VIEW_TYPE);
    luaL_register(L, NULL, methods);
    lua_pushliteral(L, "view");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

void view_push(lua_State *L, const char *what, const char *const *fields)
{
    struct view *view = lua_newuserdata(L, sizeof *view);
    view->what = what;
    view->fields = fields;
    luaL_getmetatable(L, VIEW_TYPE);
    lua_setmetatable(L, -2);
    lua_insert(L, -2);
    lua_setfenv(L, -2);
}
