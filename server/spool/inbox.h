/*
 * inbox.h - what waits for the spool's thread: everything that spool.h's functions hand in.
 *
 * Any thread puts, the spool's thread takes. What is taken together is a batch.
 */
#ifndef MXHOOK_SPOOL_INBOX_H
#define MXHOOK_SPOOL_INBOX_H

#include "store.h"

struct inbox {
    uv_mutex_t mutex; /* guards all that follows */
    uv_cond_t wake;
    struct {
        struct commit *head, **tail;
    } commits;
    struct {
        struct delivery *head, **tail;
    } ends; /* of attempts */
    struct claim *claims;
    struct hold *holds, **holds_tail;
    uint64_t ends_due; /* uv_hrtime() by which they go without a commit */
    bool closing;
};

struct batch {
    struct commit *commits;
    struct delivery *ends;
    struct claim *claims;
    struct hold *holds;
    bool end; /* nothing more will come */
};

int inbox_init(struct inbox *inbox);     /* 0 or a negative errno */
void inbox_destroy(struct inbox *inbox); /* frees what nobody took */

/* Each is handed over. Any thread; never waits for the store. */
void inbox_put_commit(struct inbox *inbox, struct commit *commit);
void inbox_put_claim(struct inbox *inbox, struct claim *claim);
void inbox_put_end(struct inbox *inbox, struct delivery *delivery);
void inbox_put_hold(struct inbox *inbox, struct hold *hold);
/* Puts ends that could not be stored before the others, for later. False: the inbox is closing, and
 * they are still the caller's. */
bool inbox_return_ends(struct inbox *inbox, struct delivery *ends);
/* From now on nothing waits for something to go with; after the rest, batches say `end`. */
void inbox_close(struct inbox *inbox);

/* Waits for something to do, or until uv_hrtime() is `until`; then the batch may be empty. */
void inbox_take(struct inbox *inbox, uint64_t until, struct batch *batch);

#endif
