/*
 * worker.h - the threads that do what costs CPU or blocks: MIME, rules, rendering.
 *
 * A transaction comes in complete; it waits without a worker for what its check needs of DNS; its
 * signatures are verified, its message is parsed, each recipient's rules run, the payloads
 * are rendered and handed to the spool; the reply comes back to the loop after the commit.
 */
#ifndef MXHOOK_WORKER_H
#define MXHOOK_WORKER_H

#include <uv.h>

#include "config/config.h"
#include "scan/scan.h"
#include "spool/spool.h"
#include "transaction.h"

struct workers;

/* Starts `count` threads; worker N uses state N of a transaction's ruleset. */
int workers_start(uv_loop_t *loop, size_t count, struct spool *spool, struct scan *scan,
                  struct workers **out, struct error *err);
/* Loop thread; the queue must be empty: nothing is under way. Joins and frees. Takes NULL. */
void workers_stop(struct workers *workers);

/* What comes back, on the loop's thread: the transaction with its reply, which is the callee's to
 * free, and the deliveries that were committed leased (linked by next, the callee's; NULL: none). */
typedef void (*worker_done)(void *context, struct transaction *transaction,
                            struct delivery *deliveries);

/* Takes the transaction over, and keeps a reference of the config meanwhile. `lease`: see
 * deliver_has_room(). Loop thread. */
void workers_submit(struct workers *workers, struct config *config, struct transaction *transaction,
                    bool lease, worker_done done, void *context);

#endif
