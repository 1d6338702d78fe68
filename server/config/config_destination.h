/* config_destination.h - a destination that the configuration says, and what lua/mxhook/ needs to check one and to read
 * sizes. For config.c, config_values.c, config_sources.c and rules/ruleset.c. */
#ifndef MXHOOK_CONFIG_DESTINATION_H
#define MXHOOK_CONFIG_DESTINATION_H

#include <lua.h>

#include "../base/arena.h"
#include "destination.h"

/* The option `name` of the table of values at index 1; NULL: it is not set. It stands in
 * `arena`. Raises a Lua error for want of memory. */
const struct destination *config_read_destination(lua_State *L, const char *name,
                                                  struct arena *arena);

/* A profile's, which has no URL: the table on top of the stack, which stays there. */
void config_read_profile(lua_State *L, struct arena *arena, struct destination *to);

/* For lua/mxhook/: pushes the functions destination_fields(), the names that there are here, in a list, and
 * check_destination(table, is it a profile's?), which gives nil or what is wrong. */
void config_push_destination_checks(lua_State *L);

/* For lua/mxhook/, here and where rules are loaded: pushes the table { unit = bytes } of base/byte_unit.h. */
void config_push_byte_units(lua_State *L);

#endif
