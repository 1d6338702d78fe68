/*
 * attempt.h - one attempt of a delivery, by the protocol that its destination asks for.
 *
 * senders      what attempts send with: libcurl on the loop, shared by all of them
 *
 * To add a protocol: a file beside post.h and forward.h, and a line in attempt_start(). Everything
 * here runs on the loop's thread.
 */
#ifndef MXHOOK_DELIVER_ATTEMPT_H
#define MXHOOK_DELIVER_ATTEMPT_H

#include <uv.h>

#include "../config/config.h"
#include "../spool/spool.h"
#include "result.h"

struct senders;

/* 0 or a negative errno. */
int senders_new(uv_loop_t *loop, struct senders **out);
/* How many connections may be kept open for later attempts. */
void senders_keep(struct senders *senders, size_t connections);
/* No attempt may be under way. The loop must run once more before it is closed. Takes NULL. */
void senders_free(struct senders *senders);

struct attempt;

/* Called once, with the delivery that was handed in. */
typedef void (*attempt_done)(void *context, struct delivery *delivery,
                             const struct attempt_result *result);

/* Begins one, which borrows the delivery and keeps references of its payload and the config. NULL:
 * no memory. */
struct attempt *attempt_start(struct senders *senders, struct config *config,
                              struct delivery *delivery, attempt_done done, void *context);
/* Breaks it off; done() is not called. */
void attempt_cancel(struct attempt *attempt);

#endif
