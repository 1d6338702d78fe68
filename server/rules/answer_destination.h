/*
 * answer_destination.h - for answer_destination.c and answer_headers.c: reading the fields of a destination's table.
 *
 * The value is on top of the stack. With NULL for the verdict it is only checked.
 */
#ifndef MXHOOK_RULES_ANSWER_DESTINATION_H
#define MXHOOK_RULES_ANSWER_DESTINATION_H

#include "answer.h"

/* A copy in the verdict's arena; raises a Lua error for want of memory. */
const char *answer_copy(lua_State *L, struct verdict *verdict, const char *text);

/* A text, printable, so that it can stand in a header or a log; Lua's. 0, or -EINVAL with `why`. */
int answer_read_text(lua_State *L, const char *what, const char **text, struct error *why);

/* A URL that names a profile becomes the URL, with what the profile says and the destination does not. Raises a Lua error for
 * want of memory. */
void answer_add_profile(lua_State *L, struct destination *to, struct verdict *verdict);

/* {name = value}, to->headers (destination.h). 0, or -EINVAL with `why`. */
int answer_read_headers(lua_State *L, struct destination *to, struct verdict *verdict,
                        struct error *why);

#endif
