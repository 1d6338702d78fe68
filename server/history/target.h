/*
 * target.h - how a delivery was sent, secrets included, as one text, for a replay.
 */
#ifndef MXHOOK_HISTORY_TARGET_H
#define MXHOOK_HISTORY_TARGET_H

#include "../base/arena.h"
#include "../config/destination.h"

/* In the arena; NULL: no memory. */
const char *history_target_write(struct arena *arena, const struct destination *to);

/* The way back, in the arena. 0, -ENOMEM, or -EINVAL where it is none. */
int history_target_read(struct arena *arena, const char *target, struct destination *to);

#endif
