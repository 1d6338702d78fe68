/*
 * outcome.h - what the client is told of its message: the verdicts of its recipients' rules, or a
 * failure of ours, made into replies.
 *
 * SMTP has one reply for all recipients, LMTP one for each. Whoever has the transaction; any
 * thread.
 */
#ifndef MXHOOK_OUTCOME_H
#define MXHOOK_OUTCOME_H

#include "rules/verdict.h"
#include "transaction.h"

/* Sets the reply that the verdicts (one for each recipient) ask for, if all that is to be stored
 * is. *store: something is. 0 or -ENOMEM. */
int outcome_decide(struct transaction *transaction, struct verdict *const *verdicts, bool *store);

/* Nothing of it was done: all recipients are deferred. `code` is a negative errno. */
void outcome_fail(struct transaction *transaction, int code);

/* What was to be stored was not: defers those recipients, which in SMTP are all. */
void outcome_fail_stored(struct transaction *transaction, struct verdict *const *verdicts,
                         int code);

/* Counts what became of it, and says so in a line of the log, or one for each reply of LMTP. */
void outcome_log(const struct transaction *transaction);

#endif
