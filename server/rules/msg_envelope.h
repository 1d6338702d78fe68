/* msg_envelope.h - msg.envelope, as a rule sees it. */
#ifndef MXHOOK_RULES_MSG_ENVELOPE_H
#define MXHOOK_RULES_MSG_ENVELOPE_H

#include <lua.h>

#include "handle.h"

/* Pushes a view of the envelope. The state's thread; raises without memory. */
void msg_push_envelope(lua_State *L, struct run *run);

#endif
