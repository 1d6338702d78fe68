/*
 * postgres.h - the store that many nodes share, as its files see it.
 *
 * node         a running mxhook, with a number that is never used again (node.h)
 * group        commits and ends of attempts that go in one batch (apply.c)
 * due_lane     a lane that has something due that no node has in hand, as the last walk saw it, or as
 *              this node has made it since
 *
 * The spool's thread has one connection, the node's beat another: so commits that wait for a
 * standby do not make a node look dead. Times in tables are the database's; what is sent and read
 * is relative to its now, so clocks of nodes may differ.
 */
#ifndef MXHOOK_SPOOL_POSTGRES_H
#define MXHOOK_SPOOL_POSTGRES_H

#include "../leases.h"
#include "../store.h"
#include "node.h"
#include "pg.h"
#include "sql.h"

struct due_lane {
    int64_t lane, origin, due_ms; /* due: on the monotonic clock */
    /* Of the claim under way: */
    size_t missing; /* of what it wants of it */
    bool due;       /* something of it is due that nothing holds, or that may be a probe */
};

/* Numbers for rows: the rest of a block. */
struct row_block {
    int64_t next, end;
    int64_t since_ms; /* monotonic; it is dropped after a minute */
};

struct numbers {
    struct row_block rows;
    uint64_t insertions; /* counts lists that were numbered */
};

struct upload;

/* Whether a node may take and deliver mail: what it cannot remove would go out again and again. */
enum fitness {
    FIT,
    TABLES_UNFIT, /* a right, a table or a column is missing: until tables_check() is content */
    ENDS_REFUSED, /* the server does not let it remove what was delivered: until it does */
};

struct pg_store {
    struct store store;
    struct pg pg;
    struct pg stuck; /* a connection whose batch timed out: kept, lest they pile up */
    char *conninfo, *scratch;
    struct node *node;
    struct cleaning *cleaning;
    struct leases leases;
    struct upload *upload; /* NULL: files go up with the groups (`mxhook store move`) */
    struct numbers numbers;
    bool doubt; /* a batch since the last that was sure: the next one must commit something */
    struct delivery *doubtful; /* refused, but perhaps stored: to be removed; linked by next */
    struct due_lane *lanes;    /* by lane */
    size_t lane_count;
    size_t turn;                      /* where among them the next claim begins */
    int64_t walk_from;                /* lane where the next walk begins; INT64_MIN: at the first */
    int64_t walk_due_ms;              /* monotonic */
    int64_t tidy_due_ms, room_due_ms; /* the same */
    int64_t retry_ms;                 /* no connection is tried before; monotonic */
    int leases_node;                  /* the node number that the leases belong to */
    int64_t failing_ms;               /* since when nothing works; monotonic; 0: it does */
    bool in_trouble;                  /* the store is away: said once */
    _Atomic(enum fitness) fitness;
    _Atomic int64_t keep_failed_ms, max_age_ms;
    _Atomic int64_t commit_timeout_ms; /* so long a group of commits is sent again */
    _Atomic uint64_t max_size;
    _Atomic(const struct give_up_hook *) hook;
    atomic_int accepts;    /* 0, -EAGAIN or -ENOSPC */
    atomic_size_t at_once; /* requests to an origin, by all nodes; 0: not known yet */
    size_t nodes_told;     /* at the last claim */
};

#define PG_AGAIN_MS   100  /* between two tries */
#define AWAY_NOTE_MS  2000 /* nothing works for so long: the store is away (pg_store_note()) */
#define AWAY_STILL_MS 2000 /* so long a commit is tried while the store is known to be away */

/* A connection to use now: 0, or -EAGAIN. */
int pg_store_connect(struct pg_store *s);
/* After -EINPROGRESS: keeps the connection until its batch is answered (`stuck`). */
void pg_store_set_aside(struct pg_store *s);
/* Notes whether the store works. Away for AWAY_NOTE_MS it is away for new mail too; that is logged,
 * and that it is there again. A connection that is lost and made again is no more than a moment. */
void pg_store_note(struct pg_store *s, int code);

/* Looks which lanes have something due, where it is time to. 0 or as pg_end(). */
int pg_store_walk(struct pg_store *s);
/* NULL: nothing of it is due that is known. Valid until the next walk or note. */
struct due_lane *pg_store_lane(const struct pg_store *s, int64_t lane);
/* Something of the lane that nobody has in hand is due then (monotonic): a claim need not wait for
 * the next walk. */
void pg_store_note_due(struct pg_store *s, uint64_t origin, uint64_t lane, int64_t due_ms);

/* The functions of store_ops of these names, as store.h says. */
void pg_store_apply(struct store *store, struct store_work *work);
void pg_store_claim(struct store *store, struct claim *claim);
void pg_store_hold(struct store *store, const struct hold *hold); /* probe.c */
bool pg_store_tidy(struct store *store);

int pg_store_list(struct store *store, const struct queue_filter *filter,
                  int (*each)(void *context, const struct delivery *delivery), void *context);
int pg_store_show(struct store *store, const char *id, struct delivery **out, const char **reason);
int pg_store_attempts(struct store *store, const struct delivery *delivery,
                      int (*each)(void *context, const struct queue_attempt *attempt),
                      void *context);
int pg_store_origins(struct store *store,
                     int (*each)(void *context, const struct queue_origin *origin), void *context);
int pg_store_totals(struct store *store, struct queue_totals *totals);
int pg_store_nodes(struct store *store, int (*each)(void *context, const struct queue_node *node),
                   void *context);
int pg_store_change(struct store *store, enum store_change what, const char *id);
int64_t pg_store_change_all(struct store *store, enum store_change what,
                            const struct queue_filter *filter);
int64_t pg_store_edit(struct store *store, const struct store_edit *edit, const char *id,
                      const struct queue_filter *filter);
int pg_store_holds(struct store *store, int (*each)(void *context, const struct queue_hold *hold),
                   void *context);
int pg_store_probe(struct store *store, uint64_t origin, uint64_t lane);
void pg_store_probes(struct store *store,
                     void (*each)(void *context, uint64_t origin, uint64_t lane), void *context);
int pg_store_pauses(struct store *store, bool counted, struct pauses *pauses);
int pg_store_pause(struct store *store, const struct pause *pause);
int pg_store_resume(struct store *store, uint64_t origin, uint64_t lane);
void pg_store_heed(struct store *store, const struct pauses *pauses);

#endif
