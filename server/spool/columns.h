/*
 * columns.h - the lists of a destination as the texts that stand in a store's columns. Any thread.
 */
#ifndef MXHOOK_SPOOL_COLUMNS_H
#define MXHOOK_SPOOL_COLUMNS_H

#include "../base/arena.h"
#include "../config/destination.h"

/* The headers on a line each; they hold no control characters. To be freed. NULL: no memory. */
char *destination_join_headers(const struct destination *destination);
/* Pauses in ms: "5000,60000". To be freed. NULL: no memory. */
char *destination_join_schedule(const struct destination *destination);

/* The way back, into the arena; `text` NULL: none. 0 or -ENOMEM. */
int destination_split_headers(struct arena *arena, const char *text,
                              struct destination *destination);
int destination_split_schedule(struct arena *arena, const char *text,
                               struct destination *destination);

#endif
