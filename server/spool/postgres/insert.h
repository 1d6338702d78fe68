/* insert.h - what a group inserts: deliveries, and payloads and tails that they carry. The spool's
 * thread. */
#ifndef MXHOOK_SPOOL_PG_INSERT_H
#define MXHOOK_SPOOL_PG_INSERT_H

#include "postgres.h"

/* Add to the batch; 0 or -ENOMEM. All are numbered (group_number()). */
int insert_commits(struct pg_store *s, struct commit *commits);
/* The notice of one that has failed: stored where that one's row says so indeed. */
int insert_notice(struct pg_store *s, const struct delivery *failed);

#endif
