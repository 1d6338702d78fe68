#include "environment.h"

#include <string.h>
#include <unistd.h>

void environment_push(lua_State *L)
{
    lua_newtable(L);
    for (char **variable = environ; variable && *variable; variable++) {
        lua_pushlstring(L, *variable, strcspn(*variable, "="));
        lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
    }
}
