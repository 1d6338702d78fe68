/* note.h - what a worker has to tell of a message. */
#ifndef MXHOOK_HISTORY_NOTE_H
#define MXHOOK_HISTORY_NOTE_H

#include "record.h"

struct transaction;
struct message;
struct verdict;

/* What is known of a message once its rules have run, before its reply; NULL: no memory. `message` may be NULL
 * (it was refused before it was parsed), and so may `verdicts`. Copies. A worker. */
struct history_message *history_message_new(const struct transaction *transaction,
                                            const struct message *message,
                                            struct verdict *const *verdicts,
                                            const struct delivery *deliveries);
/* What the rules answered for one of its recipients: a line for each, where it stands, a tab, its answer. Copied;
 * takes NULL as either. */
void history_message_asked(struct history_message *record, size_t recipient, const char *asked);
/* Its end. The transaction's reply is there. */
void history_message_end(struct history_message *record, const struct transaction *transaction);

#endif
