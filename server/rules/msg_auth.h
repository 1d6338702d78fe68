/* msg_auth.h - msg.auth, as a rule sees it. */
#ifndef MXHOOK_RULES_MSG_AUTH_H
#define MXHOOK_RULES_MSG_AUTH_H

#include <lua.h>

#include "handle.h"

/* Pushes a view of what authentication found. The state's thread; raises without memory. */
void msg_push_auth(lua_State *L, struct run *run);

#endif
