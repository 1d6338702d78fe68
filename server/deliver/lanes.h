/*
 * lanes.h - for the schedule's files: the origins and lanes that it remembers, and who may take a turn.
 *
 * Origins with something ready stand in a ring and take turns; in each, its lanes do. Lanes are
 * remembered after their last request, for what was learnt of them; at most LANES_MAX, of which the
 * one that was used longest ago is forgotten first.
 */
#ifndef MXHOOK_DELIVER_LANES_H
#define MXHOOK_DELIVER_LANES_H

#include "../base/map.h"
#include "../spool/pauses.h"
#include "breaker.h"
#include "pace.h"
#include "schedule.h"

#define LANES_MAX 10000

struct origin {
    struct origin *next; /* in the ring */
    bool in_ring;
    struct lane *ring, **ring_end; /* its lanes that have something ready */
    struct breaker breaker;        /* of the way to it: not reached */
    int64_t down_since_ms;         /* nothing has reached it since; 0: it was reached */
    double latency_ms;             /* of its answers, a moving average; 0: none yet */
    size_t in_flight, in_hand, lanes;
    uint64_t bytes; /* of what is in hand */
    char name[];
};

struct lane {
    struct lane *next; /* in its origin's ring */
    struct lane *older, *newer;
    bool in_ring;
    struct origin *origin;
    uint64_t key, origin_key; /* lane_key(), origin_key() */
    struct job *ready, **ready_end;
    struct breaker breaker; /* of the destination: 5xx, and no answer */
    struct pace pace;
    unsigned gone; /* 410 in a row */
    bool told;     /* a hold of it was told of */
    bool paused;   /* by the operator */
    size_t in_flight, in_hand;
    size_t max_in_flight; /* the operator's; 0: the origin's */
    size_t most;          /* in hand at once, as last told; 0: no limit of its own */
    char name[];          /* the origin's, and the path */
};

struct lanes {
    struct map origins, lanes;   /* by name */
    const struct pauses *pauses; /* borrowed; NULL: none */
    struct origin *ring, **ring_end;
    struct lane *oldest, *newest;
};

void lanes_init(struct lanes *lanes); /* an empty one; nothing can fail */
void lanes_free(struct lanes *lanes); /* nothing is in hand */

/* The lane of a URL, found or made, and now the newest; NULL: no memory. */
struct lane *lanes_get(struct lanes *lanes, const char *url);
/* Marks those that are paused now. */
void lanes_pause(struct lanes *lanes, const struct pauses *pauses);
/* More than LANES_MAX, the oldest with nothing in hand; NULL: none is to be forgotten. */
struct lane *lanes_surplus(const struct lanes *lanes);
/* Nothing of it is in hand. Its origin goes with its last lane. */
void lanes_forget(struct lanes *lanes, struct lane *lane);

/* Puts lane and origin at the end of their rings, if they have something ready and are not there. */
void lanes_queue(struct lanes *lanes, struct lane *lane);
/* Takes the first of a ring; NULL: it is empty. */
struct origin *lanes_next_origin(struct lanes *lanes);
struct lane *lanes_next(struct origin *origin);
/* Puts the origin at the ring's end, if it has lanes that are ready. */
void lanes_queue_origin(struct lanes *lanes, struct origin *origin);

#endif
