/*
 * upkeep.h - what keeps the spool within its bounds: room for new mail, and the ends of what is too
 * old. The spool's thread.
 */
#ifndef MXHOOK_SPOOL_UPKEEP_H
#define MXHOOK_SPOOL_UPKEEP_H

#include "../leases.h"
#include "../spool.h"
#include "db.h"

struct upkeep {
    _Atomic int64_t keep_failed_ms, max_age_ms; /* 0: for ever */
    _Atomic uint64_t min_free, max_size;        /* bytes; max_size 0: no limit */
    uint64_t size,
        measure_due;   /* bytes when it was last measured, and accepted since; uv_hrtime() */
    uint64_t look_due; /* uv_hrtime() of the next look for what is too old */
    int64_t aged_row;  /* where that look goes on */
    _Atomic(const struct give_up_hook *) hook; /* called for what is given up; NULL: none */
    atomic_bool full; /* new mail is deferred: said once; read by any thread */
};

/* Sets the four limits, at first and later. Any thread. */
void upkeep_configure(struct upkeep *upkeep, const struct spool_config *config);

/* May this be taken in? Counts it. */
bool upkeep_has_room(struct upkeep *upkeep, struct db *db, const struct commit *commits);

/* What the spool takes: the database without its free pages, and the bodies. Any thread, with a
 * connection of its own. */
int upkeep_measure(struct db *db, uint64_t *bytes);

/* To be called each second or so: looks whether there is room again, removes what failed too long
 * ago, fails what has waited too long, and gives the disk back what a burst took. A bounded piece
 * of work. True: it has put something into the spool that is due. */
bool upkeep_run(struct upkeep *upkeep, struct db *db, struct leases *leases);

#endif
