/*
 * leases.h - who has which delivery in hand, and which origins have something due: in memory, known
 * to the spool's thread alone.
 *
 * An origin's next_due_ms is a promise that nothing of it that is not leased is due before; it may
 * be too early, never too late, and a claim that looks sets it right.
 */
#ifndef MXHOOK_SPOOL_LEASES_H
#define MXHOOK_SPOOL_LEASES_H

#include <stdbool.h>

#include "../base/map.h"

#define NEVER INT64_MAX

struct origin_due {
    uint64_t key;
    int64_t next_due_ms; /* NEVER: nothing waits */
    size_t leased;
    int64_t held_until_ms; /* not to be claimed before (spool_hold) */
    size_t most;           /* leased at once, while it is on probation; 0: as the claim says */
};

struct leases {         /* all zero is an empty one */
    struct map rows;    /* row of a leased delivery -> its struct origin_due */
    struct map origins; /* key -> struct origin_due */
    size_t turn;        /* where the next claim begins among the origins */
    bool incomplete;    /* for want of memory an origin is missing: look at the store again */
};

void leases_free(struct leases *leases);

int leases_take(struct leases *leases, int64_t row, uint64_t origin); /* 0 or -ENOMEM */
void leases_drop(struct leases *leases, int64_t row);                 /* nothing if not leased */
bool leases_has(const struct leases *leases, int64_t row);

/* As spool_hold() says. */
void leases_hold(struct leases *leases, uint64_t origin, int64_t until_ms, size_t most);
/* When something of the origin may be claimed: NEVER where nothing waits. */
int64_t leases_due(const struct origin_due *origin);

/* The clock was set back: so are the times until when origins are held. */
void leases_set_back(struct leases *leases, int64_t by_ms);

/* One that nobody has in hand is due then. */
void leases_note_due(struct leases *leases, uint64_t origin, int64_t due_ms);
/* Forgets when anything is due, before the store is looked at anew. */
void leases_forget_due(struct leases *leases);
/* Forgets the origins that have nothing due, nothing leased, and are not held. */
void leases_prune(struct leases *leases);
int64_t leases_next_due(const struct leases *leases, int64_t after_ms); /* the earliest past that */

#endif
