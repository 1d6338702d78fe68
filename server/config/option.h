/*
 * option.h - for config_values.c: one option of the table that lua/mxhook/config.lua has read and checked.
 *
 * The table of values is at index 1 of the stack, the config, a light userdata, at index 2. What is returned is the
 * config's: it stands in its arena. What is missing in the table is a mistake of ours, and is raised as a Lua error;
 * so is running out of memory.
 *
 * To add an option of a new type: a function here.
 */
#ifndef MXHOOK_CONFIG_OPTION_H
#define MXHOOK_CONFIG_OPTION_H

#include <lua.h>

#include "config.h"

/* The config's. */
struct arena *option_arena(lua_State *L);
/* What arena_alloc() and its like have returned; raises where that is NULL. */
void *option_memory(lua_State *L, void *memory);
char *option_copy(lua_State *L, const char *text); /* in the arena */

int64_t option_number(lua_State *L, const char *name); /* raises where there is none */
char *option_text(lua_State *L, const char *name);     /* NULL: it is nil */
bool option_flag(lua_State *L, const char *name);      /* false: it is nil */

/* Pushes the list, and makes room for its items, all zero. */
void *option_list(lua_State *L, const char *name, size_t item_size, size_t *count);
/* A text of the list on top, counted from 0; Lua's. */
const char *option_item(lua_State *L, size_t index);

/* Whole lists. */
void option_texts(lua_State *L, const char *name, char ***out, size_t *count);
void option_addresses(lua_State *L, const char *name, struct listen_address **out, size_t *count);
void option_networks(lua_State *L, const char *name, struct network **out, size_t *count);
int64_t *option_durations(lua_State *L, const char *name, size_t *count); /* milliseconds */

#endif
