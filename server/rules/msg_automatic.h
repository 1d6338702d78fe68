/*
 * msg_automatic.h - msg.automatic and msg.bounce: was the message written by a program?
 *
 * "reply"   an automatic answer (RFC 3834): auto-replied, Precedence: auto_reply, or the sender asks
 *           for no answers as only programs do (X-Auto-Response-Suppress)
 * "list"    of a mailing list (RFC 2919), or bulk mail
 * "bounce"  a delivery status notification (RFC 3464), one with X-Failed-Recipients, or whatever has the null sender
 * "report"  any other report (RFC 6522), or one that says it was made automatically
 */
#ifndef MXHOOK_RULES_MSG_AUTOMATIC_H
#define MXHOOK_RULES_MSG_AUTOMATIC_H

#include <lua.h>

#include "handle.h"

/* Pushes one of these words, or nil. The state's thread. */
void msg_push_automatic(lua_State *L, struct run *run);
/* Pushes why, such as "List-Id: <a.example>", or nil. */
void msg_push_automatic_reason(lua_State *L, struct run *run);

/* Pushes nil, or of a delivery status notification a view of {recipient, action, status, diagnostic,
 * message_id} of the first recipient that it tells of: nil where it does not say. Reads the parts;
 * raises. */
void msg_push_bounce(lua_State *L, struct run *run);

#endif
