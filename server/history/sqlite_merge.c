/*
 * Where mail trickles, a segment has a message or two, and a million of those would take seconds to search. So once
 * there are some of them, they are made one: at most twice for each message, from below SMALL to FULL.
 */
#include <errno.h>
#include <stdio.h>

#include "sqlite.h"

#define EVERY  16  /* segments that are written, until it is looked whether they can be merged */
#define LOOK   64  /* at so many of the newest */
#define ENOUGH 16  /* are worth it, ... */
#define FEW    4   /* ... or so many, where the next one does not fit with them */
#define SMALL  16  /* messages: segments below that are merged among themselves, ... */
#define FULL   256 /* ... and then those below that */

struct span {
    int64_t row;
    unsigned count;
    int64_t first_ms, last_ms, bytes;
};

/* The newest that have less than `below` messages each, oldest first; returns how many. */
static int newest_below(struct history_store *store, unsigned below, struct span spans[LOOK],
                        size_t *count)
{
    sqlite3_stmt *s = history_statement(store, NEWEST_SEGMENTS);
    size_t found = 0;
    int rc = SQLITE_DONE;
    if (!s)
        return -EIO;
    sqlite3_bind_int(s, 1, LOOK);
    while (found < LOOK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct span span = {sqlite3_column_int64(s, 0), (unsigned)sqlite3_column_int(s, 1),
                            sqlite3_column_int64(s, 2), sqlite3_column_int64(s, 3),
                            sqlite3_column_int64(s, 4)};
        bool follows = found == 0 || span.row + span.count == spans[LOOK - found].row;
        if (span.count >= below || !follows)
            break;
        spans[LOOK - ++found] = span;
    }
    sqlite3_reset(s);
    *count = found;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : history_sqlite_failed(store, rc);
}

static int add_all(struct segment_writer *w, const struct segment_reader *r)
{
    struct message_terms terms;
    size_t at = 0;
    int code;
    while ((code = terms_next(&r->terms, &at, &terms)) == 0) {
        struct history_message m = {.arena = arena_new()};
        code = m.arena ? segment_read(&r->terms, &terms, &r->records, &m) : -ENOMEM;
        if (code == 0)
            code = segment_add(w, &m);
        arena_free(m.arena);
        if (code != 0)
            return code;
    }
    return code == -ENOENT ? 0 : code;
}

static int remove_spans(struct history_store *store, const struct span *first,
                        const struct span *last)
{
    static const char *const tables[] = {"segments", "terms", "records", "subjects"};
    int code = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && code == 0; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "DELETE FROM %s WHERE row BETWEEN %lld AND %lld", tables[i],
                 (long long)first->row, (long long)last->row);
        code = history_execute(store, sql);
    }
    return code;
}

static int merge(struct history_store *store, const struct span *spans, size_t count)
{
    struct segment_writer *w = &store->writer;
    struct segment_reader r = {0};
    int code = 0;
    segment_reset(w);
    for (size_t i = 0; i < count && code == 0; i++) {
        code = segment_read_terms(store, &r, spans[i].row);
        if (code == 0)
            code = segment_read_records(store, &r, spans[i].row);
        if (code == 0)
            code = add_all(w, &r);
    }
    segment_close(&r);
    if (code == 0)
        code = remove_spans(store, &spans[0], &spans[count - 1]);
    if (code == 0)
        code = segment_insert(store, w, spans[0].row);
    segment_reset(w);
    return code;
}

/* How many of these fit into one. */
static size_t fitting(const struct history_store *store, const struct span *spans, size_t count)
{
    int64_t messages = 0, bytes = 0;
    int64_t first_ms = spans[0].first_ms, last_ms = spans[0].last_ms;
    size_t i = 0;
    for (; i < count; i++) {
        messages += spans[i].count;
        bytes += spans[i].bytes;
        first_ms = spans[i].first_ms < first_ms ? spans[i].first_ms : first_ms;
        last_ms = spans[i].last_ms > last_ms ? spans[i].last_ms : last_ms;
        if (messages > SEGMENT_MESSAGES || bytes > SEGMENT_BYTES ||
            last_ms - first_ms > store->span_ms)
            break;
    }
    return i > 0 ? i : 1;
}

static int merge_below(struct history_store *store, unsigned below)
{
    struct span found[LOOK];
    size_t count = 0;
    int code = newest_below(store, below, found, &count);
    const struct span *spans = found + LOOK - count;
    while (code == 0 && count > 0) {
        size_t fit = fitting(store, spans, count);
        if (fit >= (fit < count ? FEW : ENOUGH))
            code = merge(store, spans, fit);
        if (code == -EBADMSG || code == -ENOENT)
            code = 0; /* one is damaged: they stay as they are */
        spans += fit;
        count -= fit;
    }
    return code;
}

int history_sqlite_merge(struct history_store *store)
{
    if (store->written < EVERY)
        return 0;
    store->written = 0;
    int code = merge_below(store, SMALL);
    return code == 0 ? merge_below(store, FULL) : code;
}
