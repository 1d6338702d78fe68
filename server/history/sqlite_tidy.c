/* How much is kept, and what is old goes. */
#include <errno.h>
#include <stdio.h>

#include "../base/clock.h"
#include "sqlite.h"

#define TIDY_MESSAGES 2000 /* removed in one transaction */

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

int history_sqlite_size(struct history_store *store, struct history_size *size)
{
    sqlite3_stmt *s = history_statement(store, OLDEST);
    *size = (struct history_size){.bytes = bytes_used(store)};
    if (!s)
        return -EIO;
    int64_t first = 0;
    if (sqlite3_step(s) == SQLITE_ROW) {
        first = sqlite3_column_int64(s, 0);
        size->oldest_ms = sqlite3_column_int64(s, 1);
        /* They are numbered without gaps, and removed from the beginning. */
        size->messages = pragma(store, "SELECT max(row) FROM messages") - first + 1;
    }
    sqlite3_reset(s);
    return 0;
}

static int remove_to(struct history_store *store, int64_t row)
{
    static const char *const texts[] = {
        ("INSERT INTO subjects(subjects, rowid, subject) SELECT 'delete', row, subject"
         " FROM messages WHERE row <= %lld AND subject IS NOT NULL"),
        "DELETE FROM attempts WHERE message <= %lld",
        "DELETE FROM deliveries WHERE message <= %lld",
        "DELETE FROM recipients WHERE message <= %lld",
        "DELETE FROM bodies WHERE message <= %lld",
        "DELETE FROM messages WHERE row <= %lld",
    };
    char text[256];
    int code = history_execute(store, "BEGIN IMMEDIATE");
    for (size_t i = 0; i < sizeof texts / sizeof *texts && code == 0; i++) {
        snprintf(text, sizeof text, texts[i], (long long)row);
        code = history_execute(store, text);
    }
    if (code == 0)
        code = history_execute(store, "COMMIT");
    if (code != 0)
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

/* The last row of the oldest that are older than this; 0 as the time: of any age. */
static int last_older(struct history_store *store, int64_t before_ms, int64_t *row)
{
    sqlite3_stmt *s = history_statement(store, OLDER);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, before_ms);
    sqlite3_bind_int(s, 2, TIDY_MESSAGES);
    int rc = sqlite3_step(s);
    *row = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_reset(s);
    return rc == SQLITE_ROW ? 0 : history_sqlite_failed(store, rc);
}

int history_sqlite_tidy(struct history_store *store, int64_t keep_ms, uint64_t max_size, bool *more)
{
    sqlite3_stmt *s = history_statement(store, OLDEST);
    int64_t row = 0, keep_from = clock_unix_ms() - keep_ms;
    *more = false;
    if (!s)
        return -EIO;
    bool aged = sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int64(s, 1) < keep_from;
    sqlite3_reset(s);
    bool full = (uint64_t)bytes_used(store) > max_size;
    if (!aged && !full)
        return 0;
    int code = last_older(store, full ? 0 : keep_from, &row);
    if (code == 0 && row > 0) {
        code = remove_to(store, row);
        *more = code == 0;
    }
    return code;
}
