#include "embedded.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>

int embedded_load(lua_State *L, const char *name)
{
    for (const struct embedded_module *m = embedded_modules; m->name; m++) {
        if (strcmp(m->name, name) != 0)
            continue;
        char chunk[128];
        snprintf(chunk, sizeof chunk, "=%s", name);
        if (luaL_loadbuffer(L, (const char *)m->bytes, m->size, chunk) != 0)
            lua_error(L);
        return 1;
    }
    return 0;
}
