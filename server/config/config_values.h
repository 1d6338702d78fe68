/*
 * config_values.h - for config.c: the values of the configuration, which lua/mxhook/config.lua has
 * read and checked, become a struct.
 *
 * To add an option: a line in one of config_values.c's read_*(); of a new type, a function in option.h too.
 */
#ifndef MXHOOK_CONFIG_VALUES_H
#define MXHOOK_CONFIG_VALUES_H

#include <lua.h>

/* A C function of Lua's: (values, config), the second a light userdata. What it has read is the
 * config's, to be freed with it also where this raises a Lua error: for want of memory. */
int config_read_values(lua_State *L);

#endif
