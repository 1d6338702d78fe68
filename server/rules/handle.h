/*
 * handle.h - what a rule holds of the message: userdata that know their run.
 *
 * run          one recipient's rules, from state_begin() to state_end(): what stands behind msg
 * handle       a userdata that reads the C structs of the run under way
 * stale        a handle that a rule kept after its run: using it is an error
 *
 * The state's thread.
 */
#ifndef MXHOOK_RULES_HANDLE_H
#define MXHOOK_RULES_HANDLE_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

struct rules_input;
struct verdict;

struct run {
    const struct rules_input *input;
    struct verdict *verdict; /* whose headers the rules reshape */
    size_t reshaped;         /* bytes set so far */
    size_t text_limit;       /* bytes of msg.text and msg.html */
    const char *rule;        /* the one under way, "10-alias.lua:3" */
    uint64_t *part_sizes;    /* decoded; UINT64_MAX: not counted yet; NULL: none was asked for */
};

/* A userdata of that type (its metatable's name), which remembers the run under way and `index`. */
void handle_push(lua_State *L, const char *type, size_t index);

/* The run behind argument 1; raises where that is stale or of another type. *index: NULL, or what was
 * remembered. */
struct run *handle_check(lua_State *L, const char *type, size_t *index);

#endif
