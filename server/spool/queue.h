/*
 * queue.h - the spool as `mxhook queue` sees it, while the server runs or not.
 *
 * Blocking calls on a connection of their own; a running server sees a change within a second.
 */
#ifndef MXHOOK_SPOOL_QUEUE_H
#define MXHOOK_SPOOL_QUEUE_H

#include "spool.h"

struct queue;

/* -ENOENT where there is no spool, -EPROTONOSUPPORT where another version's. Reading works where
 * the spool cannot be written. */
int queue_open(const struct spool_config *config, struct queue **out, struct error *err);
void queue_close(struct queue *queue); /* takes NULL */

struct queue_filter {
    bool failed_only;
    const char *destination; /* part of the URL; NULL: any */
};

/* Calls `each` for every delivery, oldest first, without its payload; it is the queue's, and gone
 * after the call. A return other than 0 ends the walk and is returned. */
int queue_list(struct queue *queue, const struct queue_filter *filter,
               int (*each)(void *context, const struct delivery *delivery), void *context,
               struct error *err);
/* One delivery with its payload: the caller's. -ENOENT. */
int queue_show(struct queue *queue, const char *id, struct delivery **out, struct error *err);
/* Makes it due now with all its attempts before it; -ENOENT. One in flight ends its attempt first.
 */
int queue_retry(struct queue *queue, const char *id, struct error *err);
/* Removes it for good; -ENOENT. One in flight may still arrive. */
int queue_drop(struct queue *queue, const char *id, struct error *err);

#endif
