/*
 * alias_sources.h - alias.file and alias.sqlite, as Lua sees them: objects with :find(address).
 *
 * Files are opened while rules load, and never by a message.
 */
#ifndef MXHOOK_RULES_ALIAS_SOURCES_H
#define MXHOOK_RULES_ALIAS_SOURCES_H

#include <lua.h>

/* Pushes a table {file = function(path), sqlite = function(path)}. Relative paths are taken from
 * the rules' folder. */
int alias_sources_open(lua_State *L);

#endif
