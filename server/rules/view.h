/*
 * view.h - what a rule may read but not change.
 *
 * view         a Lua userdata that shows a table: fields or a list. Writing to it, and reading a
 *              field that it cannot have, is an error that says so.
 *
 * A userdata rather than a table, since only its `#` and writes to existing keys can be caught
 * under Lua 5.1. The sandbox's own pairs and ipairs ask the metatable for __pairs and __ipairs.
 */
#ifndef MXHOOK_RULES_VIEW_H
#define MXHOOK_RULES_VIEW_H

#include <lua.h>

void view_open(lua_State *L); /* makes the metatable; once for each state */

/* As `fields` of view_push(): the view's keys are whatever the table has, and others are nil. */
extern const char *const view_any_field[];

/* Replaces the table on top with a view of it. `what` names it in errors ("msg.from") and must live
 * as long as the program. `fields`, ended by NULL, are those it can have; NULL: it is a list. An
 * __index that the table has makes those of them that it lacks, when they are first read. */
void view_push(lua_State *L, const char *what, const char *const *fields);

/* Raises "msg has no field 'sbject'; it has subject, text, ...". */
int view_unknown_field(lua_State *L, const char *what, const char *field,
                       const char *const *fields);

#endif
