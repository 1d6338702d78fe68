/*
 * holds.h - what the nodes hold back, and which of them live, as this node saw it at its last beat.
 *
 * A breaker that one node opened holds for all of them. When its time is over one node wins the
 * probe (claim.c), and sends one delivery; for all others it stays open until the end of that is
 * known. The node's thread writes it, any thread reads.
 */
#ifndef MXHOOK_SPOOL_PG_HOLDS_H
#define MXHOOK_SPOOL_PG_HOLDS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "sql.h"

#define NODES_MAX 256

/* A row of the table `held`. */
struct node_hold {
    int64_t origin, lane, until_ms, pause_ms; /* until: monotonic; lane 0: the whole origin */
    unsigned failures;                        /* 0: for the sake of pace, it does not fail */
    int node, prober;
};

struct holds { /* all zero, and holds_init() */
    uv_mutex_t mutex;
    struct node_hold *list; /* by origin and lane */
    int count;
    int ids[NODES_MAX], id_count; /* of the nodes that live */
};

int holds_init(struct holds *holds); /* 0 or a negative errno */
void holds_destroy(struct holds *holds);

#define HOLD_COLUMNS "origin, lane, " FROM_NOW("until") ", pause, failures, node, prober"

/* Takes rows of HOLD_COLUMNS from `first` on, by origin and lane; column 0 is something else's. */
void holds_read(struct holds *holds, const PGresult *result, int first);
void holds_set_ids(struct holds *holds, const int *ids, int count);

/* A copy of the list, to be freed; NULL: nothing is held, or there is no memory. */
struct node_hold *holds_copy(struct holds *holds, int *count);
/* The one of exactly that in such a list, or NULL. */
const struct node_hold *holds_find(const struct node_hold *list, int count, int64_t origin,
                                   int64_t lane);

/* Does node `me` hold anything? */
bool holds_any_of(struct holds *holds, int me);
/* May node `me` send anything but a probe there now? */
bool holds_may_send(struct holds *holds, int me, int64_t origin, int64_t lane);
/* Where more nodes live than may send to an origin at once (0: no limit), only so many of them do,
 * drawn by lot for each origin: is `me` one of these? */
bool holds_has_turn(struct holds *holds, int me, int64_t origin, size_t at_once);

#endif
