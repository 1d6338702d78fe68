/*
 * pauses.h - the destinations that an operator has paused (`mxhook destination pause`).
 *
 * pause        an origin, or one lane of it, of which nothing is claimed and no attempt begins until
 *              it is resumed. What is under way ends. Kept in the store, for all nodes
 * pauses       a set of them, as it was read
 *
 * Paused mail costs no attempt, and no failure; spool.max_age runs on.
 */
#ifndef MXHOOK_SPOOL_PAUSES_H
#define MXHOOK_SPOOL_PAUSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"
#include "origin.h"

#define PAUSES_MAX        1000 /* at once */
#define PAUSE_REASON_SIZE 256  /* bytes of a reason and its NUL */

struct pause {
    uint64_t origin, lane; /* origin_key(), lane_key(); lane 0: all of the origin */
    int64_t since_ms;      /* Unix time */
    int64_t waiting;       /* deliveries, where they were counted */
    char name[LANE_SIZE];  /* lane_of(), or origin_of() */
    char reason[PAUSE_REASON_SIZE];
};

struct pauses {         /* all zero is an empty one */
    struct pause *list; /* by origin and lane */
    size_t count;
};

/* What `text` names: a URL; for e-mail the origin that `mxhook queue origins` shows, "mx:example.net"
 * or "smtp://relay.example:25", of which there is nothing but the whole. `reason` may be NULL.
 * -EINVAL with err: it names nothing that can be paused, or the reason is too long. Any thread. */
int pause_named(const char *text, bool whole_origin, const char *reason, struct pause *pause,
                struct error *err);

/* Adds one, or replaces it; in the order of origin and lane that costs least. 0, -ENOMEM, or -E2BIG:
 * PAUSES_MAX are in it. */
int pauses_add(struct pauses *pauses, const struct pause *pause);
int pauses_copy(struct pauses *to,
                const struct pauses *from); /* 0 or -ENOMEM: `to` is empty then */
void pauses_free(struct pauses *pauses);    /* it is empty then */

/* What pauses that lane of that origin: itself, or all of the origin. NULL: nothing does, or the set
 * is NULL. */
const struct pause *pauses_find(const struct pauses *pauses, uint64_t origin, uint64_t lane);
/* The same of a URL, as delivery_origin() gives it. */
const struct pause *pauses_find_url(const struct pauses *pauses, const char *url);
/* The one of exactly that; lane 0: of the whole origin. NULL: there is none. */
const struct pause *pauses_exact(const struct pauses *pauses, uint64_t origin, uint64_t lane);
/* Do they pause the same, for the same reasons? */
bool pauses_equal(const struct pauses *a, const struct pauses *b);
/* Logs what is paused now and was not, and what is not any more. */
void pauses_log(const struct pauses *from, const struct pauses *to);

#endif
