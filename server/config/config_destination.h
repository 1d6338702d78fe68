/* config_destination.h - for config_values.c: a destination, as lua/mxhook/readers.lua has read it. */
#ifndef MXHOOK_CONFIG_DESTINATION_H
#define MXHOOK_CONFIG_DESTINATION_H

#include <lua.h>

#include "../base/arena.h"
#include "destination.h"

/* The option `name` of the table of values at index 1; NULL: it is not set. It stands in
 * `arena`. Raises a Lua error for want of memory. */
const struct destination *config_read_destination(lua_State *L, const char *name,
                                                  struct arena *arena);

/* The same of the table on top of the stack, which stays there. */
void config_fill_destination(lua_State *L, struct arena *arena, struct destination *to);

#endif
