/* blob.h - what is too large for a row: pieces of 64 KiB, up from a file and down into one, a few at
 * a time. Whoever has the connection. */
#ifndef MXHOOK_SPOOL_BLOB_H
#define MXHOOK_SPOOL_BLOB_H

#include "../../base/spill.h"
#include "values.h"

/* Noted as `owner`'s until a row names it, in case it never comes to that. 0, as pg_end(), or what
 * the file says. */
int blob_put(struct pg *pg, int64_t blob, int owner, const struct spill *spill);
/* Removes what has gone up and no row names: `owner`'s, but for those in the column of numbers `used`; or (owner 0,
 * NULL) all that is no node's any more. What a batch under way adds to is left for the next time, so nobody is waited
 * for. As pg_end(). */
int blob_sweep(struct pg *pg, int owner, struct values *used);

/* Into a file of `directory` that is unlinked at once. -EBADMSG: it is not `size` bytes long. */
int blob_get(struct pg *pg, int64_t blob, uint64_t size, const char *directory, struct spill **out);

#endif
