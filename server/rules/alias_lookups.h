/* alias_lookups.h - for Lua: whom alias.http and alias.postgres ask. */
#ifndef MXHOOK_RULES_ALIAS_LOOKUPS_H
#define MXHOOK_RULES_ALIAS_LOOKUPS_H

#include <lua.h>

/* Adds to the table on top of the stack: http(name) and postgres(name) -> object, of names that the configuration has;
 * sources() -> {"http:crm", ...}. object:find(address, ...) -> what the first of them that has destinations was
 * answered with, or nil; it ends the run where that is not known (state.h). */
void alias_lookups_open(lua_State *L);

#endif
