/*
 * msg.h - the message as a rule sees it.
 *
 * msg          a handle (see handle.h) on the run under way; nothing is decoded, converted or copied
 *              before a rule asks for it, and then once
 *
 * To add a field: a row in msg.c's table, with the function that pushes its value.
 */
#ifndef MXHOOK_RULES_MSG_H
#define MXHOOK_RULES_MSG_H

#include <lua.h>

void msg_open(lua_State *L); /* makes the metatables; once for each state */

/* Pushes a msg of the state's run. */
void msg_push(lua_State *L);

#endif
