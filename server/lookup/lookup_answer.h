/*
 * lookup_answer.h - what somebody else said of an address: its destinations, or that it has none.
 *
 * Never changes once made; counted, since a cache and several messages share it.
 */
#ifndef MXHOOK_LOOKUP_LOOKUP_ANSWER_H
#define MXHOOK_LOOKUP_LOOKUP_ANSWER_H

#include <stdatomic.h>
#include <stddef.h>

#define LOOKUP_ANSWER_MAX 65536 /* bytes of its text */

enum lookup_status {
    LOOKUP_FOUND,
    LOOKUP_NONE,    /* there is no such address */
    LOOKUP_UNKNOWN, /* nobody has answered in time, and nothing is remembered */
};

struct lookup_answer {
    atomic_uint references;
    enum lookup_status status;
    size_t size;
    /* Of FOUND: JSON (alias.http), or a list of destinations by comma; NUL-terminated */
    char text[];
};

/* One reference; NULL: no memory. `text` may be NULL where size is 0. */
struct lookup_answer *lookup_answer_new(enum lookup_status status, const char *text, size_t size);
struct lookup_answer *lookup_answer_ref(struct lookup_answer *answer); /* any thread */
void lookup_answer_unref(struct lookup_answer *answer);                /* any thread; takes NULL */

#endif
