/* environment.h - the names of the environment's variables, for Lua that tells which one somebody may have meant. */
#ifndef MXHOOK_ENVIRONMENT_H
#define MXHOOK_ENVIRONMENT_H

#include <lua.h>

/* Pushes a list of them. Raises a Lua error for want of memory. */
void environment_push(lua_State *L);

#endif
