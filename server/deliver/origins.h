/*
 * origins.h - the origins that something is in hand for, or whose breaker has something to
 * remember.
 *
 * Those with something ready stand in a ring, and take turns.
 */
#ifndef MXHOOK_DELIVER_ORIGINS_H
#define MXHOOK_DELIVER_ORIGINS_H

#include "../base/map.h"
#include "../spool/spool.h"
#include "breaker.h"

struct origin {
    uint64_t key;
    struct breaker breaker;
    int64_t ended_ms; /* when the last request ended, on the monotonic clock */
    char *name;       /* origin_of(), once the breaker has opened; else NULL */
    struct delivery *ready, **ready_end;
    size_t in_hand, in_flight; /* in_hand: both ready and in flight */
    bool in_ring;
    struct origin *next; /* in the ring */
};

struct origins {
    struct map map; /* origin_key() -> struct origin */
    struct origin *ring, **ring_end;
};

void origins_init(struct origins *origins);
void origins_free(struct origins *origins); /* nothing is ready or in flight */

/* Found by delivery_origin(), or made; NULL: no memory. */
struct origin *origins_get(struct origins *origins, const char *name);
/* Puts it at the ring's end, if it has something ready and is not there. */
void origins_queue(struct origins *origins, struct origin *origin);
struct origin *
origins_next(struct origins *origins); /* takes the ring's first; NULL: it is empty */
/* Forgets it where nothing needs it any more, so that their number is bounded. */
void origins_settle(struct origins *origins, struct origin *origin);

void origin_push(struct origin *origin, struct delivery *delivery); /* ready, and in hand */
struct delivery *
origin_shift(struct origin *origin); /* the first that is ready, or NULL; in hand still */

#endif
