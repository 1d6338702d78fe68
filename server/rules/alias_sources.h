/*
 * alias_sources.h - alias.file and alias.sqlite, as Lua sees them: objects with :find(address).
 *
 * Files are opened while rules load, and never by a message.
 */
#ifndef MXHOOK_RULES_ALIAS_SOURCES_H
#define MXHOOK_RULES_ALIAS_SOURCES_H

#include <lua.h>

struct alias_table;

/* Pushes a table {file = function(path), sqlite = function(path)}, with what alias_lookups.h adds. Relative paths are
 * taken from the rules' folder. Returns 1. */
int alias_sources_open(lua_State *L);

/* The table of an object that alias.file made; raises where it is none. */
const struct alias_table *alias_sources_table(lua_State *L, int index);

#endif
