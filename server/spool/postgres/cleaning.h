/*
 * cleaning.h - what keeps the tables small: transactions that have been open for long are warned of,
 * for nothing that was deleted since they began can be cleared away; and where the autovacuum does
 * not come, one node vacuums.
 *
 * A thread of its own, with a connection of its own while it looks. Only the node with the smallest
 * number does anything.
 */
#ifndef MXHOOK_SPOOL_PG_CLEANING_H
#define MXHOOK_SPOOL_PG_CLEANING_H

#include <stdint.h>

#include "../../base/error.h"
#include "node.h"

struct cleaning;

/* Both are borrowed. `old_ms`: a transaction that has been open for longer is warned of. 0 or a
 * negative errno. */
int cleaning_start(const char *conninfo, const struct node *node, int64_t old_ms,
                   struct cleaning **out, struct error *err);
void cleaning_configure(struct cleaning *cleaning, int64_t old_ms); /* any thread */
void cleaning_stop(struct cleaning *cleaning);                      /* takes NULL */

#endif
