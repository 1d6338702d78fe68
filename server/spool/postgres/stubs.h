/* stubs.h - deliveries of which no more is known than a group needs to remove them. */
#ifndef MXHOOK_SPOOL_PG_STUBS_H
#define MXHOOK_SPOOL_PG_STUBS_H

#include "values.h"
#include "postgres.h"

/* Those that the end of a SELECT (from WHERE on, of the table d) finds, as ends that are delivered:
 * group_send() removes them. *count: how many. 0 or as pg_end(). */
int stubs_find(struct pg_store *s, struct values *params, const char *where, struct delivery **out,
               int *count);
void stubs_free(struct delivery *stubs);

#endif
