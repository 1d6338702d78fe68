/* join.h - attempts and their messages, while a batch is written. The history's thread. */
#ifndef MXHOOK_HISTORY_JOIN_H
#define MXHOOK_HISTORY_JOIN_H

#include <stdbool.h>

#include "../base/map.h"
#include "record.h"

/* Most messages are delivered while they are still here: such an attempt is marked as joined, stands in its delivery's
 * `made`, and the delivery is as it has left it. 0 or -ENOMEM. */
int history_join(struct history_message *messages, struct history_attempt *attempts);

/* Sets the attempt's state to what the delivery has come to by it, that was in another one before. False: it changes
 * nothing that is worth a note. An operator's drop does not undo what has arrived meanwhile, and what was on its way as it
 * was dropped is dropped, unless it arrives; to retry what waits is to let it wait. */
bool history_step(enum history_state was, struct history_attempt *attempt);
/* The delivery, after an attempt that is kept of it; its texts are the attempt's. Its state and status stand in its
 * term (segment.h). */
void history_follow(struct history_delivery *delivery, const struct history_attempt *attempt);

/* What an attempt's id is made of: the message's, a dash, and the delivery's number. */
struct map_key history_message_of(const struct history_attempt *attempt, unsigned *number);

/* When it ended the delivery, Unix ms; 0: it did not. */
static inline int64_t history_ended_ms(const struct history_attempt *a)
{
    return a->state == HISTORY_WAITING ? 0 : a->at_ms + a->ms;
}

#endif
