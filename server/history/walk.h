/*
 * walk.h - all pages of a list of the history. The thread that the store belongs to.
 */
#ifndef MXHOOK_HISTORY_WALK_H
#define MXHOOK_HISTORY_WALK_H

#include "ops.h"

/* Calls each() for what the filter finds, newest first, up to filter->limit (0: all), a page at a time, so that whoever
 * writes is not kept waiting. Returns what each() did if that is not 0, or the store's error. */
int history_walk(const struct history_ops *ops, struct history_store *store,
                 const struct history_filter *filter,
                 int (*each)(void *context, const struct history_message *message), void *context);

#endif
