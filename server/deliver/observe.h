/*
 * observe.h - the one place that every attempt passes when it has ended, for those who watch: the
 * metrics and the history.
 */
#ifndef MXHOOK_DELIVER_OBSERVE_H
#define MXHOOK_DELIVER_OBSERVE_H

#include "../history/record.h"
#include "../spool/spool.h"

struct attempt_result;

/* An attempt begins; observe_attempt() follows. Loop thread. */
void observe_begin(const struct delivery *delivery);

/* The attempt is counted in delivery->attempts already, and its last_* are set. `state`: what has become of the
 * delivery by it. Loop thread. */
void observe_attempt(const struct delivery *delivery, const struct attempt_result *result,
                     enum history_state state);

/* It has waited longer than spool.max_age, and so has failed without another attempt. Any thread. */
void observe_given_up(const struct delivery *delivery);

#endif
