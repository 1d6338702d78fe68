/* msg_scan.h - msg.scan: what a scanner said. */
#ifndef MXHOOK_RULES_MSG_SCAN_H
#define MXHOOK_RULES_MSG_SCAN_H

#include <lua.h>

#include "handle.h"

void msg_scan_open(lua_State *L); /* once for each state */

/* Pushes a view; nil where no scanner was asked. */
void msg_push_scan(lua_State *L, struct run *run);

#endif
