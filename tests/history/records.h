/* records.h - records of the history for tests. */
#ifndef RECORDS_H
#define RECORDS_H

#include "history/ops.h"

/* Message `number` (from 1 on), in an arena of its own: every 10th is rejected; two recipients where the number
 * is even; a delivery for each. */
struct history_message *record_message(int64_t number, int64_t at_ms);
struct history_attempt *record_attempt(int64_t number, unsigned delivery, unsigned attempt,
                                       int status, enum history_state state);

/* For history_ops.list: notes the number of a message. */
int record_note(void *context, const struct history_message *message);
/* The numbers of what the filter finds, each with a space after it, good until the next call; NULL where it fails. */
const char *records_found(struct history_store *store, struct history_filter filter);

#endif
