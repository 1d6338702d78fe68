/* sqlite.h - what the sqlite*.c files share, and nobody else sees. */
#ifndef MXHOOK_HISTORY_SQLITE_H
#define MXHOOK_HISTORY_SQLITE_H

#include <sqlite3.h>

#include "../base/map.h"
#include "ops.h"

enum history_statement {
    BEGIN_BATCH,
    COMMIT_BATCH,
    INSERT_MESSAGE,
    INSERT_SUBJECT,
    INSERT_RECIPIENT,
    INSERT_DESTINATION,
    FIND_DESTINATION,
    INSERT_DELIVERY,
    INSERT_BODY,
    FIND_MESSAGE,
    INSERT_ATTEMPT,
    END_DELIVERY,
    KEEP_PAYLOAD,
    OLDEST,
    OLDER,
    READ_RECIPIENTS,
    READ_DELIVERIES,
    READ_ATTEMPTS,
    READ_ANSWERS,
    READ_BODY,
    HISTORY_STATEMENTS,
};

struct history_store {
    sqlite3 *db;
    sqlite3_stmt *statements[HISTORY_STATEMENTS]; /* prepared when first needed */
    char *destination; /* the one that was asked for last, and its row; NULL: none */
    int64_t destination_row;
    char error[256];
};

/* sqlite_statements.c.
 *
 * Reset, without bindings; NULL: see the error. */
sqlite3_stmt *history_statement(struct history_store *store, enum history_statement which);
/* Notes the error; returns a negative errno. */
int history_sqlite_failed(struct history_store *store, int rc);
/* Steps one that gives no rows, and resets it. 0 or a negative errno. */
int history_run(struct history_store *store, sqlite3_stmt *statement);
int history_execute(struct history_store *store, const char *sql); /* without rows */

/* "sales@example.com" as "example.com sales": so that an index serves a domain as well. NULL: no memory. */
char *history_address_key(const char *address);

/* sqlite_join.c. Most messages are delivered while they are still here: their deliveries are written as they ended, and
 * nothing is looked up or changed afterwards. 16,000 instructions less for a message of one delivery. 0 or -ENOMEM. */
int history_sqlite_join(struct history_message *messages, struct history_attempt *attempts);
/* What an attempt's id is made of: the message's, a dash, and the delivery's number. */
struct map_key history_message_of(const struct history_attempt *attempt, unsigned *number);
/* When it ended the delivery, Unix ms; 0: it did not. */
int64_t history_ended_ms(const struct history_attempt *attempt);

/* The functions of history_ops of these names, as ops.h says.
 *
 * sqlite_write.c */
int history_sqlite_write(struct history_store *store, struct history_message *messages,
                         struct history_attempt *attempts);

/* sqlite_tidy.c */
int history_sqlite_tidy(struct history_store *store, int64_t keep_ms, uint64_t max_size,
                        bool *more);
int history_sqlite_size(struct history_store *store, struct history_size *size);

/* sqlite_list.c */
int history_sqlite_list(struct history_store *store, const struct history_filter *filter,
                        int (*each)(void *context, const struct history_message *message),
                        void *context);
int history_sqlite_attempts(struct history_store *store, const struct history_message *message,
                            unsigned delivery,
                            int (*each)(void *context, const struct history_attempt *attempt),
                            void *context);
int history_sqlite_answers(struct history_store *store, uint64_t origin,
                           struct history_answers *answers);
int history_sqlite_body(struct history_store *store, int64_t body, struct spill **out);

#endif
