/*
 * source.h - inside the lookup room: a source, and what its kind does for it.
 *
 * The room's thread, but where it says otherwise.
 */
#ifndef MXHOOK_LOOKUP_SOURCE_H
#define MXHOOK_LOOKUP_SOURCE_H

#include <uv.h>

#include "../base/map.h"
#include "../base/task.h"
#include "cache.h"
#include "questions.h"

#define LOOKUP_MAX_FLIGHTS 20000 /* of a source; more are not asked for */

/* What the room lends to its sources. */
struct lookup_room {
    uv_loop_t loop;
    struct loop_queue *queue; /* any thread pushes */
};

struct source;

struct flight {
    struct task task; /* of whoever has it */
    struct flight *next;
    struct source *source;
    struct waiter *waiters;
    struct lookup_answer *answer; /* what a thread found, on its way back; NULL: it failed */
    bool unkept;                  /* it is not worth a place in the cache */
    char address[];
};

struct source_kind {
    const char *name;              /* "http": as in alias.http */
    int (*open)(struct source *s); /* sets s->own; 0 or a negative errno */
    /* Begins, and ends by source_answered(), within it or later. */
    void (*ask)(struct source *s, struct flight *flight);
    /* It is known without asking that there is no such address. Any thread; NULL: nothing is known so. */
    bool (*lacks)(struct source *s, const char *address);
    /* No flight begins any more; those under way end by source_answered(), within it or by what it has pushed to the
     * room's queue. */
    void (*close)(struct source *s);
};

struct source {
    struct lookup_room *room;
    const struct source_kind *kind;
    struct config *config; /* a reference: what `options` stands in */
    const struct lookup_config *options;
    struct lookup_cache *cache; /* any thread */
    struct map flights;         /* by address */
    void *own;                  /* the kind's */
    bool closed;                /* it goes with its last flight */
};

/* Ends a flight: `answer` (a reference, taken) goes to the cache and to all who wait; NULL: the source has not
 * answered, `why` for the log. */
void source_answered(struct flight *flight, struct lookup_answer *answer, const char *why);

/* lookup.c: frees it, once no flight refers to it. */
void source_free(struct source *source);

#endif
