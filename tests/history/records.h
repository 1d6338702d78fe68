/* records.h - records of the history for tests. */
#ifndef RECORDS_H
#define RECORDS_H

#include "history/ops.h"

/* Message `number` (from 1 on), in an arena of its own: every 10th is rejected; two recipients where the number
 * is even; a delivery for each. */
struct history_message *record_message(int64_t number, int64_t at_ms);
struct history_attempt *record_attempt(int64_t number, unsigned delivery, unsigned attempt,
                                       int status, enum history_state state);

#endif
