/* Attempts at deliveries of messages that were written before: kept beside the segment, whose terms they change. */
#include <errno.h>

#include "late.h"
#include "sqlite.h"

struct finding {
    struct history_store *store;
    struct late late;
    struct segment_reader reader;
};

static int change(void *context, const struct late_change *to)
{
    struct finding *f = context;
    int rc = sqlite3_blob_write(f->reader.terms_blob, to->bytes, sizeof to->bytes, (int)to->place);
    return rc == SQLITE_OK ? 0 : history_sqlite_failed(f->store, rc);
}

/* The newest first: most are of a moment ago. */
static int find(struct finding *f)
{
    sqlite3_stmt *s = history_statement(f->store, SEGMENTS_OF_IDS);
    int rc = SQLITE_DONE, code = 0;
    if (!s)
        return -EIO;
    sqlite3_bind_text(s, 1, f->late.first_id, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, f->late.last_id, -1, SQLITE_STATIC);
    while (f->late.wanted > 0 && code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t row = sqlite3_column_int64(s, 0);
        code = segment_read_terms(f->store, &f->reader, row);
        if (code == 0)
            code = late_look_in(&f->late, &f->reader.terms, row, change, f);
        else if (code == -ENOENT)
            code = 0;
    }
    sqlite3_reset(s);
    if (code == 0 && rc != SQLITE_ROW && rc != SQLITE_DONE)
        return history_sqlite_failed(f->store, rc);
    return code;
}

/* ---- Keeping them ---- */

static int insert_attempt(struct history_store *store, const struct history_attempt *a)
{
    unsigned number;
    int64_t body = 0;
    history_message_of(a, &number);
    int code = history_sqlite_payload(store, a->row, a->payload, &body);
    sqlite3_stmt *s = code == 0 ? history_statement(store, INSERT_ATTEMPT) : NULL;
    if (!s)
        return code ? code : -EIO;
    sqlite3_bind_int64(s, 1, a->row);
    sqlite3_bind_int64(s, 2, number);
    sqlite3_bind_int64(s, 3, a->at_ms);
    sqlite3_bind_int64(s, 4, a->number);
    sqlite3_bind_int64(s, 5, a->ms);
    sqlite3_bind_int(s, 6, a->state);
    sqlite3_bind_int(s, 7, a->status);
    history_bind_text(s, 8, a->error);
    history_bind_text(s, 9, a->reply);
    history_bind_text(s, 10, a->target);
    sqlite3_bind_int64(s, 11, body);
    sqlite3_bind_int(s, 12, a->action);
    return history_run(store, s);
}

int history_sqlite_late(struct history_store *store, struct history_attempt *attempts)
{
    struct finding f = {.store = store, .reader = {.writes = true}};
    int code = late_begin(&f.late, attempts);
    if (code == 0 && f.late.wanted > 0)
        code = find(&f);
    segment_close(&f.reader);
    late_end(&f.late);
    for (const struct history_attempt *a = attempts; a && code == 0; a = a->next)
        if (a->row > 0) /* else nobody knows its message: from before the history, or a notice */
            code = insert_attempt(store, a);
    return code;
}

int history_sqlite_each_late(struct history_store *store, int64_t message, unsigned delivery,
                             int (*each)(void *context, const struct history_attempt *attempt,
                                         int64_t body),
                             void *context)
{
    sqlite3_stmt *s = history_statement(store, READ_ATTEMPTS);
    int rc, code = 0;
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, message);
    sqlite3_bind_int64(s, 2, delivery);
    while (code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const struct history_attempt a = {.number = (unsigned)sqlite3_column_int(s, 0),
                                          .at_ms = sqlite3_column_int64(s, 1),
                                          .ms = sqlite3_column_int64(s, 2),
                                          .state = (enum history_state)sqlite3_column_int(s, 3),
                                          .status = sqlite3_column_int(s, 4),
                                          .error = (const char *)sqlite3_column_text(s, 5),
                                          .reply = (const char *)sqlite3_column_text(s, 6),
                                          .target = (const char *)sqlite3_column_text(s, 7),
                                          .action = (enum history_action)sqlite3_column_int(s, 9)};
        code = each(context, &a, sqlite3_column_int64(s, 8));
    }
    sqlite3_reset(s);
    return code != 0 || rc == SQLITE_DONE ? code : history_sqlite_failed(store, rc);
}
