/* The segments and bodies of a SQLite file, for whoever searches. */
#include <errno.h>
#include <stdio.h>

#include "search.h"
#include "sqlite.h"

struct sqlite_source { /* of search.h */
    struct history_store *store;
    struct segment_reader reader;
};

static int read_terms(void *context, int64_t row, const struct packed **out)
{
    struct sqlite_source *source = context;
    *out = &source->reader.terms;
    return segment_read_terms(source->store, &source->reader, row);
}

static int read_subjects(void *context, int64_t row, const struct packed **out)
{
    struct sqlite_source *source = context;
    *out = &source->reader.subjects;
    return segment_read_subjects(source->store, &source->reader, row);
}

static int read_records(void *context, int64_t row, const struct packed **out)
{
    struct sqlite_source *source = context;
    *out = &source->reader.records;
    return segment_read_records(source->store, &source->reader, row);
}

static int each_late(void *context, int64_t message, unsigned delivery,
                     int (*each)(void *context, const struct history_attempt *attempt,
                                 int64_t body),
                     void *each_context)
{
    struct sqlite_source *source = context;
    return history_sqlite_each_late(source->store, message, delivery, each, each_context);
}

static struct search_source source_of(struct sqlite_source *source)
{
    return (struct search_source){source, read_terms, read_subjects, read_records, each_late};
}

/* Notes what the search itself says. */
static int told(struct history_store *store, int code)
{
    const char *text = search_error(code);
    if (text)
        snprintf(store->error, sizeof store->error, "%s", text);
    return code;
}

/* The segments that may have some, by what is known of each. */
static sqlite3_stmt *prepare(struct history_store *store, const struct segment_search *s)
{
    static const char sql[] =
        "SELECT row FROM segments WHERE row < ?1 AND last_ms >= ?2 AND first_ms < ?3"
        " AND last_id >= ?4 AND first_id < ?5 ORDER BY row DESC";
    const struct history_filter *f = s->filter.filter;
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK) {
        history_sqlite_failed(store, rc);
        return NULL;
    }
    sqlite3_bind_int64(statement, 1, s->before);
    sqlite3_bind_int64(statement, 2, f->since_ms);
    sqlite3_bind_int64(statement, 3, f->until_ms ? f->until_ms : INT64_MAX);
    sqlite3_bind_text(statement, 4, s->filter.id, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 5, s->filter.id_end, -1, SQLITE_STATIC);
    return statement;
}

static int search_all(struct history_store *store, struct segment_search *s)
{
    sqlite3_stmt *statement = prepare(store, s);
    int rc = SQLITE_DONE, code = 0;
    if (!statement)
        return -EIO;
    while (code == 0 && s->left > 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW)
        code = search_segment(s, sqlite3_column_int64(statement, 0));
    if (code == 0 && rc != SQLITE_ROW && rc != SQLITE_DONE)
        code = history_sqlite_failed(store, rc);
    sqlite3_finalize(statement);
    return told(store, code);
}

int history_sqlite_list(struct history_store *store, const struct history_filter *filter,
                        int (*each)(void *context, const struct history_message *message),
                        void *context)
{
    struct sqlite_source source = {.store = store};
    const struct search_source from = source_of(&source);
    int code;
    struct segment_search *s = search_new(&from, filter, each, context, &code);
    if (s)
        code = search_all(store, s);
    segment_close(&source.reader);
    search_free(s);
    return code;
}

int history_sqlite_attempts(struct history_store *store, const struct history_message *message,
                            unsigned delivery,
                            int (*each)(void *context, const struct history_attempt *attempt),
                            void *context)
{
    struct sqlite_source source = {.store = store};
    const struct search_source from = source_of(&source);
    sqlite3_stmt *s = history_statement(store, SEGMENT_OF_ROW);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, message->row);
    int rc = sqlite3_step(s);
    int64_t segment = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_reset(s);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? 0 : history_sqlite_failed(store, rc); /* it has been removed */
    int code = search_attempts(&from, segment, message, delivery, each, context);
    segment_close(&source.reader);
    return told(store, code);
}
