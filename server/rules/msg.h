/*
 * msg.h - the message as a rule sees it.
 *
 * msg          a userdata that reads the C structs of the run under way; nothing is decoded,
 * converted or copied before a rule asks for it, and then once stale        a msg, headers or
 * attachment that a rule kept after its run: using it is an error
 *
 * To add a field: a row in msg.c's table, with the function that pushes its value.
 */
#ifndef MXHOOK_RULES_MSG_H
#define MXHOOK_RULES_MSG_H

#include <lua.h>

#include "ruleset.h"
#include "state.h"

#define HEADER_MAX_VALUE   262144  /* bytes of a header's value that a rule sets */
#define HEADER_MAX_RESHAPE 4194304 /* bytes that one run may set */
#define HEADER_MAX_COUNT   10000   /* fields that a message has after a rule set one */

/* One run: what stands behind msg. */
struct run {
    const struct rules_input *input;
    struct verdict *verdict; /* whose headers the rules reshape */
    size_t reshaped;         /* bytes set so far */
    size_t text_limit;       /* bytes of msg.text and msg.html */
    const char *rule;        /* the one under way, "10-alias.lua:3" */
    uint64_t *part_sizes;    /* decoded; UINT64_MAX: not counted yet; NULL: none was asked for */
};

void msg_open(lua_State *L);         /* makes the metatables; once for each state */
void msg_headers_open(lua_State *L); /* for msg_open() */
void msg_parts_open(lua_State *L);   /* for msg_open() */

/* Pushes a msg of the state's run. */
void msg_push(lua_State *L);
void msg_push_headers(lua_State *L);
/* Pushes a view of the parts with that role. */
void msg_push_parts(lua_State *L, enum part_role role, const char *what);

/* A userdata of that type, which remembers the run under way and `index`. */
void msg_push_handle(lua_State *L, const char *type, size_t index);
/* The run behind argument 1; raises where that is stale. *index: NULL, or what was remembered. */
struct run *msg_check_handle(lua_State *L, const char *type, size_t *index);

#endif
