/* blob.h - what is too large for a row: pieces of 64 KiB, up from a file and down into one, a few at
 * a time. Whoever has the connection. */
#ifndef MXHOOK_SPOOL_BLOB_H
#define MXHOOK_SPOOL_BLOB_H

#include "../../base/spill.h"
#include "../store.h"
#include "values.h"

/* Sends what stands in files and has not gone up before, so that the group can name it; noted as the node's until a row
 * does, in case it never comes to that. The commits' deliveries have their numbers (number.h). 0, as pg_end(), or what a
 * file says. */
int blob_put_commits(struct pg *pg, int node, struct commit *commits);
/* Removes what has gone up and no row names: `owner`'s, but for those in the column of numbers `used`; or (owner 0,
 * NULL) all that is no node's any more. What a batch under way adds to is left for the next time, so nobody is waited
 * for. As pg_end(). */
int blob_sweep(struct pg *pg, int owner, struct values *used);

/* Into a file of `directory` that is unlinked at once. -EBADMSG: it is not `size` bytes long. */
int blob_get(struct pg *pg, int64_t blob, uint64_t size, const char *directory, struct spill **out);

#endif
