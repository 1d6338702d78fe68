/* msg_headers.h - msg.headers, as a rule sees it: it may reshape them. */
#ifndef MXHOOK_RULES_MSG_HEADERS_H
#define MXHOOK_RULES_MSG_HEADERS_H

#include <lua.h>

#define HEADER_MAX_VALUE   262144  /* bytes of a header's value that a rule sets */
#define HEADER_MAX_RESHAPE 4194304 /* bytes that one run may set */
#define HEADER_MAX_COUNT   10000   /* fields that a message has after a rule set one */

void msg_headers_open(lua_State *L); /* makes the metatable; once for each state */
void msg_push_headers(lua_State *L); /* of the run under way */

#endif
