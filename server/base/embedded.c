#include "embedded.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Pushes the module's chunk, not yet called; false (nothing pushed) where there is none of that
 * name. */
static bool load(lua_State *L, const char *name)
{
    for (const struct embedded_module *m = embedded_modules; m->name; m++) {
        if (strcmp(m->name, name) != 0)
            continue;
        char chunk[128];
        snprintf(chunk, sizeof chunk, "=%s", name);
        if (luaL_loadbuffer(L, (const char *)m->bytes, m->size, chunk) != 0)
            lua_error(L);
        return true;
    }
    return false;
}

static int search(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    if (!load(L, name))
        lua_pushfstring(L, "\n\tno embedded module '%s'", name);
    return 1;
}

void embedded_open(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaders");
    int count = (int)lua_objlen(L, -1);
    lua_pushcfunction(L, search);
    for (int i = 2; i <= count + 1; i++) { /* the first looks into package.preload */
        lua_rawgeti(L, -2, i);
        lua_insert(L, -2);
        lua_rawseti(L, -3, i);
    }
    lua_pop(L, 3);
}

void embedded_require(lua_State *L, const char *name)
{
    lua_getglobal(L, "require");
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
}
