/*
 * move.h - all deliveries of one store into another: `mxhook store move`.
 *
 * Ids, times, states and the attempts that the one store has kept stay. Each is removed from the one store when it is
 * safe in the other, so a move that was interrupted is gone on with by the same command: what stands in both is not
 * stored twice. No server may work on the store that is emptied.
 */
#ifndef MXHOOK_SPOOL_MOVE_H
#define MXHOOK_SPOOL_MOVE_H

#include "spool.h"

/* Blocking. *moved: how many. Deliveries whose payload cannot be read stay where they are, and are
 * counted in *left. 0 or a negative errno: `err` says it. */
int spool_move(const struct spool_config *from, const struct spool_config *to, int64_t *moved,
               int64_t *left, struct error *err);

/* Makes the store's tables, or brings them up to this version; nothing where they are. -ENOTSUP: a
 * store that does so at each start. */
int spool_migrate(const struct spool_config *config, struct error *err);

#endif
