/*
 * pattern.h - Lua's patterns (Lua 5.1 manual, section 5.4.1), bounded by the run's limits.
 *
 * string.find and string.match of LuaJIT run in C and call no hook: one call can take hours. These
 * ask state_check() as they go. gmatch and gsub are made of them in lua/mxhook/strings.lua, since a
 * gsub in C whose callback calls gsub overflows the C stack (measured: a crash).
 */
#ifndef MXHOOK_RULES_PATTERN_H
#define MXHOOK_RULES_PATTERN_H

#include <lua.h>

#define PATTERN_MAX_CAPTURES 32
#define PATTERN_MAX_DEPTH    200  /* matches within a match */
#define PATTERN_CHECK_STEPS  4096 /* steps between two looks at the clock */

int pattern_find(lua_State *L);  /* string.find */
int pattern_match(lua_State *L); /* string.match */

#endif
