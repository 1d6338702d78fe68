/* remove.h - what a group removes and changes: the ends of attempts. The spool's thread. */
#ifndef MXHOOK_SPOOL_PG_REMOVE_H
#define MXHOOK_SPOOL_PG_REMOVE_H

#include "postgres.h"

/* Adds to the batch; 0 or -ENOMEM. Their notices are numbered (number_group()). */
int remove_ends(struct pg_store *s, struct delivery *ends);

#endif
