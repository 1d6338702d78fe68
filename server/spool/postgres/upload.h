/*
 * upload.h - payloads that stand in files go up before the group that names them, by a connection and a thread of
 * their own: so groups do not wait for them.
 *
 * staged       what has gone up and is not named yet: 64 KiB a row, replicated before the group is sent, so that this
 *              may go by any connection, to another primary too. Memory does not grow with the payload
 *
 * What cannot go up until spool.commit_timeout is refused like a group that cannot be stored.
 */
#ifndef MXHOOK_SPOOL_PG_UPLOAD_H
#define MXHOOK_SPOOL_PG_UPLOAD_H

#include "postgres.h"
#include "values.h"

/* `ready` is called once for each commit that upload_take() has taken, by the upload's thread; commit->status says
 * whether it may go with a group. `s` outlives it. NULL: it cannot be. */
struct upload *upload_start(struct pg_store *s, void (*ready)(void *context, struct commit *commit),
                            void *context);
/* Nobody hands in any more: returns when all that was handed in is ready. */
void upload_finish(struct upload *upload);
void upload_free(struct upload *upload); /* finishes before; takes NULL */

/* Takes a commit that has something in a file; false: it has nothing. Any thread. */
bool upload_take(struct upload *upload, struct commit *commit);

/* Until upload_forget() what has gone up for a commit is in use, and not to be swept: adds these blobs to a column of
 * numbers. Any thread; take NULL. */
void upload_add_used(struct upload *upload, struct values *params, int column);
void upload_forget(struct upload *upload, const struct commit *commit);

/* What it numbers from now on has numbers of a new block. Any thread; takes NULL. */
void upload_renumber(struct upload *upload);

#endif
