/* msg_parts.h - msg.attachments and msg.inlines, as a rule sees them. */
#ifndef MXHOOK_RULES_MSG_PARTS_H
#define MXHOOK_RULES_MSG_PARTS_H

#include <lua.h>

#include "../mail/message.h"

void msg_parts_open(lua_State *L); /* makes the metatable; once for each state */

/* Pushes a view of the parts of the run's message with that role. `what` names it in errors, and lives
 * as long as the program. */
void msg_push_parts(lua_State *L, enum part_role role, const char *what);

#endif
