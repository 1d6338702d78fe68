/*
 * sqlite.h - what the sqlite*.c files share, and nobody else sees: the history as segments (segment.h) in a SQLite
 * file.
 *
 * Messages are numbered as they come, without gaps: a message's row is its segment's (that of its first one) and its
 * place there. So rows, which are cursors, stay when small segments are merged.
 */
#ifndef MXHOOK_HISTORY_SQLITE_H
#define MXHOOK_HISTORY_SQLITE_H

#include <sqlite3.h>

#include "ops.h"
#include "segment.h"

#define KEEP_PARTS                                                                                 \
    1000 /* a segment spans no more than this part of history.keep, as it is removed as a whole */

enum history_statement {
    BEGIN_BATCH,
    COMMIT_BATCH,
    NEXT_ROW,
    INSERT_SEGMENT,
    INSERT_TERMS,
    INSERT_RECORDS,
    INSERT_SUBJECTS,
    INSERT_BODY,
    INSERT_ATTEMPT,
    COUNT_ANSWERS,
    SEGMENTS_OF_IDS,
    SEGMENT_OF_ROW,
    NEWEST_SEGMENTS,
    OLDEST_SEGMENT,
    READ_ATTEMPTS,
    READ_ANSWERS,
    READ_BODY,
    HISTORY_STATEMENTS,
};

struct history_store {
    sqlite3 *db;
    sqlite3_stmt *statements[HISTORY_STATEMENTS]; /* prepared when first needed */
    struct segment_writer writer;                 /* of the batch */
    int64_t next_row;                             /* of the next message; 0: the file says */
    unsigned written;                             /* segments, since small ones were merged */
    int64_t span_ms;                              /* of a merged segment, at most */
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
int history_execute(struct history_store *store, const char *sql);            /* without rows */
void history_bind_text(sqlite3_stmt *statement, int index, const char *text); /* NULL or "": NULL */

/* sqlite_segment.c: a segment's blobs. */
struct segment_reader { /* all zero; closed by segment_close() */
    sqlite3_blob *terms_blob, *records_blob, *subjects_blob;
    struct packed terms, records, subjects; /* as they were read last */
    bool writes;                            /* terms are to be changed */
};
/* 0, -ENOENT (there is no such row) or a negative errno. */
int segment_read_terms(struct history_store *store, struct segment_reader *reader, int64_t row);
int segment_read_records(struct history_store *store, struct segment_reader *reader, int64_t row);
int segment_read_subjects(struct history_store *store, struct segment_reader *reader, int64_t row);
void segment_close(struct segment_reader *reader);
/* Writes it as rows, of which `row` is the first message's. */
int segment_insert(struct history_store *store, const struct segment_writer *writer, int64_t row);

/* The functions of history_ops of these names, as ops.h says.
 *
 * sqlite_write.c */
int history_sqlite_write(struct history_store *store, struct history_message *messages,
                         struct history_attempt *attempts);

/* sqlite_body.c: stores a payload, *body is its row, 0 for none; and all bodies of a message, which then knows their rows. */
int history_sqlite_payload(struct history_store *store, int64_t message,
                           const struct payload *payload, int64_t *body);
int history_sqlite_bodies(struct history_store *store, struct history_message *m, int64_t row);
int history_sqlite_body(struct history_store *store, int64_t body, struct spill **out);

/* sqlite_late.c: the attempts that no message in the same batch has. */
int history_sqlite_late(struct history_store *store, struct history_attempt *attempts);
/* For each attempt that is kept beside its segment, in the order in which they were noted: its `target` and *body are
 * those that were kept with it, *body 0 for none. */
int history_sqlite_each_late(struct history_store *store, int64_t message, unsigned delivery,
                             int (*each)(void *context, const struct history_attempt *attempt,
                                         int64_t body),
                             void *context);

/* sqlite_answers.c */
int history_sqlite_count_answers(struct history_store *store,
                                 const struct history_attempt *attempts);
int history_sqlite_answers(struct history_store *store, uint64_t origin,
                           struct history_answers *answers);

/* sqlite_merge.c: makes few large segments of many small ones, which come where mail trickles. */
int history_sqlite_merge(struct history_store *store);

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

#endif
