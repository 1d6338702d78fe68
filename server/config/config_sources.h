/* config_sources.h - for config_values.c: what rules name, as lua/mxhook/source_readers.lua has read it. */
#ifndef MXHOOK_CONFIG_SOURCES_H
#define MXHOOK_CONFIG_SOURCES_H

#include <lua.h>

#include "config.h"

/* `lookups`, `databases` and `profiles` of the table of values at index 1. Raises a Lua error for want of
 * memory. */
void config_read_sources(lua_State *L, struct config *config);

#endif
