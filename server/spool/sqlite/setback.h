/*
 * setback.h - what becomes of what waits when the clock is set back.
 *
 * A delivery is due at a Unix time. Were nothing done, a clock set back by a day would make all
 * that waits wait a day longer. So the times of what waits are set back with it. A clock that is
 * set forward makes what waits due early, once; that needs only to be noticed.
 *
 * The spool's thread.
 */
#ifndef MXHOOK_SPOOL_SETBACK_H
#define MXHOOK_SPOOL_SETBACK_H

#include "../leases.h"
#include "db.h"

struct setback {
    int64_t ahead_ms; /* clock_ahead_ms() when last looked at */
    bool under_way;   /* not every row has been set back yet */
    int64_t by_ms, now_ms, after_row;
};

/* Also finds a clock that was set back while no server ran: something was accepted later than now.
 * 0 or a negative errno. */
int setback_init(struct setback *setback, struct db *db);

/* To be called about once a second. A bounded piece of work; true where what is due has to be
 * looked up anew. */
bool setback_run(struct setback *setback, struct db *db, struct leases *leases);

/* One whose attempt has ended, before it is stored: its due_ms, if the clock was set back since it
 * was handed in. */
void setback_correct(struct delivery *delivery);

#endif
