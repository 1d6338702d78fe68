/* insert.h - what a group inserts: deliveries, and payloads and tails that they carry. The spool's
 * thread. */
#ifndef MXHOOK_SPOOL_PG_INSERT_H
#define MXHOOK_SPOOL_PG_INSERT_H

#include "postgres.h"
#include "values.h"

/* Add to the batch; 0 or -ENOMEM. All are numbered (number_group()). */
int insert_commits(struct pg_store *s, struct commit *commits);
/* The notice of one that has failed: stored where that one's row says so indeed. */
int insert_notice(struct pg_store *s, const struct delivery *failed);

/* Attempts as rows of their own, of deliveries that are there: their columns, one, and the statement. */
void attempts_columns(struct values *params);
void attempts_add(struct values *params, int64_t row, const struct queue_attempt *attempt);
int attempts_send(struct values *params, struct pg *pg); /* as values_send() */

#endif
