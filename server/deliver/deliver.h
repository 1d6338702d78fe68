/*
 * deliver.h - sends what the spool holds, until it is delivered or has failed.
 *
 * attempt      one try at a delivery: attempt.h
 * origin       scheme, host and port of a destination: what the limits count by
 *
 * Everything here runs on the loop's thread. A delivery comes in by deliver_take() straight after
 * its commit, or by a claim when it is due again; it goes back to the spool as delivered, retry or
 * failed.
 */
#ifndef MXHOOK_DELIVER_H
#define MXHOOK_DELIVER_H

#include <uv.h>

#include "../config/config.h"
#include "../spool/spool.h"

struct deliver;

/* Keeps a reference of the config. 0 or a negative errno. */
int deliver_new(uv_loop_t *loop, struct config *config, struct spool *spool, struct deliver **out,
                struct error *err);
/* Uses this configuration for attempts that begin from now on. */
void deliver_configure(struct deliver *deliver, struct config *config);
/* Asks the spool for what is due. */
void deliver_start(struct deliver *deliver);

/* Is there room for a message's deliveries to be attempted straight after their commit? Then commit
 * them leased and hand them to deliver_take(); else leave them to the spool. */
bool deliver_has_room(const struct deliver *deliver);
/* Takes leased deliveries, linked by next, over. */
void deliver_take(struct deliver *deliver, struct delivery *deliveries);
/* Something may be due that deliver was not told of. */
void deliver_wake(struct deliver *deliver);

/* Begins nothing new; calls idle() once no attempt is under way. */
void deliver_stop(struct deliver *deliver, void (*idle)(void *context), void *context);
/* Breaks off what is under way (the deliveries go back to the spool) and frees. Takes NULL. The
 * loop must run once more before it is closed. */
void deliver_free(struct deliver *deliver);

#endif
