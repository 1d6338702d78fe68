/*
 * group.h - commits and ends of attempts in one transaction, with one sync.
 *
 * Where one of them fails alone, the transaction is undone and done again with a mark before each,
 * so that the others do not suffer.
 */
#ifndef MXHOOK_SPOOL_GROUP_H
#define MXHOOK_SPOOL_GROUP_H

#include "../leases.h"
#include "db.h"

/* Stores them (either may be NULL), and takes the leases that the commits ask for. 0: the commits'
 * statuses are set; or a negative errno: nothing of it was stored. The spool's thread. */
int group_store(struct db *db, struct leases *leases, struct commit *commits,
                struct delivery *ends);

#endif
