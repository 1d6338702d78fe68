/* How much is kept, and what is old goes. */
#include <errno.h>
#include <stdio.h>

#include "../base/clock.h"
#include "sqlite.h"

#define TIDY_MESSAGES 10000 /* removed in one transaction, about */

static int64_t pragma(struct history_store *store, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int64_t value = 0;
    if (sqlite3_prepare_v2(store->db, sql, -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW)
        value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return value;
}

static int64_t bytes_used(struct history_store *store)
{
    return (pragma(store, "PRAGMA page_count") - pragma(store, "PRAGMA freelist_count")) *
           pragma(store, "PRAGMA page_size");
}

/* The oldest segment; its row is 0 where there is none. */
static int oldest(struct history_store *store, int64_t *row, int64_t *count, int64_t *first_ms,
                  int64_t *last_ms)
{
    sqlite3_stmt *s = history_statement(store, OLDEST_SEGMENT);
    *row = *count = *first_ms = *last_ms = 0;
    if (!s)
        return -EIO;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        *row = sqlite3_column_int64(s, 0);
        *count = sqlite3_column_int64(s, 1);
        *first_ms = sqlite3_column_int64(s, 2);
        *last_ms = sqlite3_column_int64(s, 3);
    }
    sqlite3_reset(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : history_sqlite_failed(store, rc);
}

int history_sqlite_size(struct history_store *store, struct history_size *size)
{
    int64_t row, count, last_ms;
    *size = (struct history_size){.bytes = bytes_used(store)};
    int code = oldest(store, &row, &count, &size->oldest_ms, &last_ms);
    /* They are numbered without gaps, and removed from the beginning. */
    if (code == 0 && row > 0)
        size->messages =
            pragma(store, "SELECT row + count FROM segments ORDER BY row DESC LIMIT 1") - row;
    return code;
}

/* Of a segment, and all that belongs to its messages. */
static int remove_segment(struct history_store *store, int64_t row, int64_t count)
{
    static const char *const texts[] = {
        "DELETE FROM attempts WHERE message < %lld", "DELETE FROM bodies WHERE message < %lld",
        "DELETE FROM subjects WHERE row < %lld",     "DELETE FROM records WHERE row < %lld",
        "DELETE FROM terms WHERE row < %lld",        "DELETE FROM segments WHERE row < %lld",
    };
    char text[128];
    int code = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && code == 0; i++) {
        snprintf(text, sizeof text, texts[i], (long long)(row + count));
        code = history_execute(store, text);
    }
    return code;
}

/* The oldest segments, as long as they are too old, or it is too large. */
static int remove_oldest(struct history_store *store, int64_t keep_from, uint64_t max_size,
                         bool *more)
{
    int64_t row, count, first_ms, last_ms, removed = 0;
    int code = oldest(store, &row, &count, &first_ms, &last_ms);
    while (code == 0 && row > 0 && removed < TIDY_MESSAGES &&
           (last_ms < keep_from || (uint64_t)bytes_used(store) > max_size)) {
        code = remove_segment(store, row, count);
        removed += count;
        if (code == 0)
            code = oldest(store, &row, &count, &first_ms, &last_ms);
    }
    *more = code == 0 && removed >= TIDY_MESSAGES;
    return code;
}

static int remove_origins(struct history_store *store, int64_t keep_from)
{
    char text[96];
    snprintf(text, sizeof text, "DELETE FROM origins WHERE at_ms < %lld", (long long)keep_from);
    return history_execute(store, text);
}

int history_sqlite_tidy(struct history_store *store, int64_t keep_ms, uint64_t max_size, bool *more)
{
    int64_t row, count, first_ms, last_ms, keep_from = clock_unix_ms() - keep_ms;
    *more = false;
    store->span_ms = keep_ms / KEEP_PARTS;
    int code = oldest(store, &row, &count, &first_ms, &last_ms);
    if (code != 0 || row == 0 || (last_ms >= keep_from && (uint64_t)bytes_used(store) <= max_size))
        return code;
    code = history_execute(store, "BEGIN IMMEDIATE");
    if (code == 0)
        code = remove_oldest(store, keep_from, max_size, more);
    if (code == 0)
        code = remove_origins(store, keep_from);
    if (code == 0)
        code = history_execute(store, "COMMIT");
    if (code != 0)
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}
