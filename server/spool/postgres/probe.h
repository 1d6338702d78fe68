/*
 * probe.h - what is held, for all nodes to see, and which node finds out whether it is better.
 *
 * A breaker whose time is over is not closed yet: one node wins its probe, claims one delivery of
 * it, and tells what came of that by pg_store_hold(), as its own schedule says: it is gone, or open
 * for longer. For as long as that takes, at most a minute, it stays closed to all others. The
 * spool's thread.
 */
#ifndef MXHOOK_SPOOL_PG_PROBE_H
#define MXHOOK_SPOOL_PG_PROBE_H

#include "holds.h"
#include "postgres.h"

#define PROBES_MAX 64 /* of one claim */

struct probe {
    struct node_hold hold; /* as it was before */
    int64_t to;            /* the lane that the delivery is claimed of */
    bool won, used;
};

/* Asks for these; sets `won`. 0 or as pg_end(). */
int probes_win(struct pg_store *s, struct probe *probes, int count);
/* The probe that this delivery is, where it is the first: it is used then, and noted in the delivery. */
void probes_note(struct probe *probes, int count, struct delivery *delivery);
/* What was won and not used may be won again at once. */
void probes_return(struct pg_store *s, const struct probe *probes, int count);

/* A statement for that: origins, lanes, and the node. */
#define RETURN_PROBES                                                                              \
    "UPDATE held h SET prober = NULL, until = " NOW_MS " FROM unnest($1, $2) u(origin, lane) "     \
    "WHERE h.origin = u.origin AND h.lane = u.lane AND h.prober = $3"

#endif
