/*
 * worker.h - the threads that do what costs CPU or blocks: MIME, rules, rendering.
 *
 * A recipient that only patterns can tell of is asked for here, so that no rule runs on the loop.
 *
 * A transaction comes in complete; it waits without a worker for what its check needs of DNS; its
 * signatures are verified, its message is parsed, each recipient's rules run, the payloads
 * are rendered and handed to the spool; the reply comes back to the loop after the commit.
 */
#ifndef MXHOOK_WORKER_H
#define MXHOOK_WORKER_H

#include <uv.h>

#include "config/config.h"
#include "rules/ruleset.h"
#include "scan/scan.h"
#include "spool/spool.h"
#include "transaction.h"

struct workers;

/* Starts `count` threads; worker N uses state N of a transaction's ruleset. */
int workers_start(uv_loop_t *loop, size_t count, struct spool *spool, struct scan *scan,
                  struct workers **out, struct error *err);
/* Of what is submitted, how many wait for DNS, or for the scanner. Any thread. */
size_t workers_resolving(const struct workers *workers);
/* Loop thread; the queue must be empty: nothing is under way. Joins and frees. Takes NULL. */
void workers_stop(struct workers *workers);

/* Asks the rules, on a worker, whether they may take mail for this recipient: ruleset_ask(), and waits for what they
 * ask in turn. The answer is not RULESET_ASK. Copies it, and keeps a reference of the rules. done() comes once,
 * later, on the loop's thread; 0 or -ENOMEM, and no done(). Loop thread. */
int workers_ask(struct workers *workers, struct ruleset *rules, const char *recipient,
                void (*done)(void *context, enum ruleset_lookup answer), void *context);

/* What comes back, on the loop's thread: the transaction with its reply, which is the callee's to
 * free, and the deliveries that were committed leased (linked by next, the callee's; NULL: none). */
typedef void (*worker_done)(void *context, struct transaction *transaction,
                            struct delivery *deliveries);

/* Takes the transaction over, and keeps a reference of the config meanwhile. `lease`: see
 * deliver_has_room(). Loop thread. */
void workers_submit(struct workers *workers, struct config *config, struct transaction *transaction,
                    bool lease, worker_done done, void *context);

#endif
