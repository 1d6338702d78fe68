/* blob.h - what is too large for a row: pieces of 64 KiB, up from a file and down into one, a few at
 * a time. The spool's thread, or `mxhook queue`'s. */
#ifndef MXHOOK_SPOOL_BLOB_H
#define MXHOOK_SPOOL_BLOB_H

#include "../../base/spill.h"
#include "pg.h"

/* Noted as `owner`'s until a row names it, in case it never comes to that. 0, as pg_end(), or what
 * the file says. */
int blob_put(struct pg *pg, int64_t blob, int owner, const struct spill *spill);
/* Into a file of `directory` that is unlinked at once. -EBADMSG: it is not `size` bytes long. */
int blob_get(struct pg *pg, int64_t blob, uint64_t size, const char *directory, struct spill **out);

#endif
