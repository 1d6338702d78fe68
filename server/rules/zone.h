/*
 * zone.h - time zones for CEL: those of the system's zone database, and no other file.
 *
 * A name comes from a rule, or from a message by way of a rule. What is not a name of the database
 * (a path, a pipe, what is no TZif file) is never opened by GLib.
 */
#ifndef MXHOOK_RULES_ZONE_H
#define MXHOOK_RULES_ZONE_H

#include <lua.h>

void zone_open(lua_State *L); /* makes the metatable; once for each state */

/* zone(name) -> a zone, or nothing where the database has none of that name. Reads a file. */
int zone_new(lua_State *L);
/* zone_offset(zone, seconds) -> seconds east of UTC at that Unix time */
int zone_offset(lua_State *L);

#endif
