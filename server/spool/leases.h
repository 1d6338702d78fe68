/*
 * leases.h - who has which delivery in hand, and which origins have something due: in memory, known
 * to the spool's thread alone.
 *
 * An origin's next_due_ms is a promise that nothing of it that is not leased is due before; it may
 * be too early, never too late, and a claim that looks sets it right. Of lanes only those are known
 * that have something leased or are held.
 */
#ifndef MXHOOK_SPOOL_LEASES_H
#define MXHOOK_SPOOL_LEASES_H

#include <stdbool.h>

#include "../base/map.h"
#include "pauses.h"
#include "store.h"

#define NEVER INT64_MAX

/* As spool_hold() says. */
struct due_hold {
    int64_t until_ms; /* not to be claimed before */
    size_t most;      /* leased at once, while it is on probation; 0: as the claim says */
};

struct origin_due {
    uint64_t key;
    int64_t next_due_ms; /* NEVER: nothing waits */
    size_t leased;
    size_t lanes; /* that are known, and point here */
    int64_t turn; /* the lane after which its next claim begins; -1: the first */
    struct due_hold hold;
};

struct lane_due {
    uint64_t key;
    struct origin_due *origin;
    size_t leased;
    struct due_hold hold;
};

struct leases {         /* all zero is an empty one */
    struct map rows;    /* row of a leased delivery -> its struct lane_due */
    struct map lanes;   /* key -> struct lane_due */
    struct map origins; /* key -> struct origin_due */
    size_t turn;        /* where the next claim begins among the origins */
    bool incomplete;    /* for want of memory an origin is missing: look at the store again */
    const struct pauses *pauses; /* borrowed; NULL: none */
};

void leases_free(struct leases *leases); /* what it holds; it is empty then */

/* 0 or -ENOMEM */
int leases_take(struct leases *leases, int64_t row, uint64_t origin, uint64_t lane);
void leases_drop(struct leases *leases, int64_t row); /* nothing if not leased */
bool leases_has(const struct leases *leases, int64_t row);
const struct lane_due *leases_lane(const struct leases *leases, uint64_t lane); /* NULL: unknown */

/* As spool_hold() says; without memory for it nothing is held. */
void leases_hold(struct leases *leases, const struct hold *hold);
/* An operator has ended that hold: false where it is over already, or there is none. */
bool leases_probe(struct leases *leases, uint64_t origin, uint64_t lane, int64_t now_ms);
/* When something of the origin may be claimed: NEVER where nothing waits, or it is paused. */
int64_t leases_due(const struct leases *leases, const struct origin_due *origin);

/* The clock was set back: so are the times until when origins and lanes are held. */
void leases_set_back(struct leases *leases, int64_t by_ms);

/* One that nobody has in hand is due then. */
void leases_note_due(struct leases *leases, uint64_t origin, int64_t due_ms);
/* Forgets when anything is due, before the store is looked at anew. */
void leases_forget_due(struct leases *leases);
/* Forgets the lanes that have nothing leased and are not held, and the origins that also have
 * nothing due. */
void leases_prune(struct leases *leases);
int64_t leases_next_due(const struct leases *leases, int64_t after_ms); /* the earliest past that */

#endif
