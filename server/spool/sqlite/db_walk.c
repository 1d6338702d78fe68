/* Many rows, and numbers of the whole. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db_private.h"

int db_walk_due(struct db *db, uint64_t origin, uint64_t lane,
                bool (*each)(void *context, int64_t row, int64_t due_ms), void *context)
{
    sqlite3_stmt *s = db_statement(db, DUE);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, (int64_t)origin);
    sqlite3_bind_int64(s, 2, (int64_t)lane);
    int rc;
    do
        rc = sqlite3_step(s);
    while (rc == SQLITE_ROW &&
           each(context, sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1)));
    int code = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : db_failed(db, rc);
    sqlite3_reset(s);
    return code;
}

int db_next_lane(struct db *db, uint64_t origin, int64_t after, int64_t *lane, int64_t *due_ms)
{
    sqlite3_stmt *s = db_statement(db, NEXT_LANE);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, (int64_t)origin);
    sqlite3_bind_int64(s, 2, after);
    int rc = sqlite3_step(s);
    *lane = sqlite3_column_int64(s, 0);
    *due_ms = sqlite3_column_int64(s, 1);
    int code = rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -ENOENT : db_failed(db, rc);
    sqlite3_reset(s);
    return code;
}

/* One seek in the index for each origin, however many deliveries it has. */
int db_walk_origins(struct db *db, void (*each)(void *context, uint64_t origin), void *context)
{
    sqlite3_stmt *s = db_statement(db, NEXT_ORIGIN);
    if (!s)
        return -EIO;
    int64_t origin = -1; /* keys are not negative */
    int rc;
    do {
        sqlite3_bind_int64(s, 1, origin);
        rc = sqlite3_step(s);
        if (rc == SQLITE_ROW) {
            origin = sqlite3_column_int64(s, 0);
            each(context, (uint64_t)origin);
        }
        sqlite3_reset(s);
    } while (rc == SQLITE_ROW);
    return rc == SQLITE_DONE ? 0 : db_failed(db, rc);
}

static void bind_filter(sqlite3_stmt *s, const struct queue_filter *filter)
{
    sqlite3_bind_int(s, 1, filter->failed_only);
    sqlite3_bind_text(s, 2, filter->destination, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 3, filter->since_ms);
    sqlite3_bind_int64(s, 4, filter->after);
    sqlite3_bind_text(s, 6, filter->prefix, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 7, filter->host, -1, SQLITE_STATIC);
    sqlite3_bind_int(s, 8, filter->has_status ? filter->status : -1);
    sqlite3_bind_text(s, 9, filter->error, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 10, filter->recipient, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 11, filter->sender, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 12, filter->until_ms);
}

/* The end of a walk: `rc` is that of the last step, `code` what ended it before. */
static int end_walk(struct db *db, sqlite3_stmt *s, int rc, int code)
{
    if (code == 0 && rc != SQLITE_DONE)
        code = db_failed(db, rc);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return code;
}

int db_list(struct db *db, const struct queue_filter *filter,
            int (*each)(void *context, const struct delivery *delivery), void *context)
{
    sqlite3_stmt *s = db_statement(db, filter->failed_only ? LIST_FAILED : LIST);
    int rc = SQLITE_OK, code = 0;
    if (!s)
        return -EIO;
    bind_filter(s, filter);
    while (code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct delivery *d = db_read_delivery(s);
        code = d ? each(context, d) : -ENOMEM;
        delivery_free(d);
    }
    return end_walk(db, s, rc, code);
}

static void read_row(sqlite3_stmt *s, struct db_row *row)
{
    const char *id = sqlite3_column_count(s) > 2 ? db_column_text(s, 2) : NULL;
    row->row = sqlite3_column_int64(s, 0);
    row->payload_row = sqlite3_column_int64(s, 1);
    snprintf(row->id, sizeof row->id, "%s", id ? id : "");
}

static int read_page(struct db *db, sqlite3_stmt *s, struct db_row *rows, int size)
{
    int rc, count = 0;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW && count < size)
        read_row(s, &rows[count++]);
    int code = end_walk(db, s, rc, 0);
    return code == 0 ? count : code;
}

int db_page(struct db *db, const struct queue_filter *filter, int64_t after, struct db_row *rows,
            int size)
{
    sqlite3_stmt *s = db_statement(db, filter->failed_only ? PAGE_OF_FAILED : PAGE);
    if (!s)
        return -EIO;
    bind_filter(s, filter);
    sqlite3_bind_int64(s, 4, after);
    sqlite3_bind_int(s, 5, size);
    return read_page(db, s, rows, size);
}

int db_page_failed(struct db *db, int64_t before_ms, struct db_row *rows, int size)
{
    sqlite3_stmt *s = db_statement(db, PAGE_FAILED);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, before_ms);
    sqlite3_bind_int(s, 2, size);
    return read_page(db, s, rows, size);
}

int db_page_aged(struct db *db, const struct db_age *age, struct db_row *rows, int size)
{
    sqlite3_stmt *s = db_statement(db, PAGE_AGED);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, age->after);
    sqlite3_bind_int64(s, 2, age->due_ms);
    int rc = SQLITE_DONE, count = 0;
    while (count < size && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t created = sqlite3_column_int64(s, 3);
        if (created >= age->before_ms && created <= age->now_ms)
            break; /* one from the future, after the clock was set, says nothing of the others */
        if (created >= age->before_ms || !sqlite3_column_int(s, 4))
            continue;
        read_row(s, &rows[count++]);
    }
    int code = end_walk(db, s, rc == SQLITE_ROW ? SQLITE_DONE : rc, 0);
    return code == 0 ? count : code;
}

/* The only column of the only row. */
static int read_number(struct db *db, enum statement which, int64_t *number)
{
    sqlite3_stmt *s = db_statement(db, which);
    if (!s)
        return -EIO;
    int rc = sqlite3_step(s);
    *number = sqlite3_column_int64(s, 0);
    int code = rc == SQLITE_ROW ? 0 : db_failed(db, rc);
    sqlite3_reset(s);
    return code;
}

int db_newest(struct db *db, int64_t *created_ms)
{
    return read_number(db, NEWEST, created_ms);
}

int db_count_failed(struct db *db, int64_t *count)
{
    return read_number(db, COUNT_FAILED, count);
}

int db_used(struct db *db, uint64_t *used, uint64_t *unused)
{
    int64_t pages = 0, free_pages = 0;
    int code = read_number(db, PAGE_COUNT, &pages);
    if (code == 0)
        code = read_number(db, FREE_COUNT, &free_pages);
    *used = (uint64_t)(pages - free_pages) * DB_PAGE_SIZE;
    *unused = (uint64_t)free_pages * DB_PAGE_SIZE;
    return code;
}

int db_shrink(struct db *db, uint64_t used_max, uint64_t unused_min)
{
    uint64_t used = 0, unused = 0;
    int code = db_used(db, &used, &unused);
    if (code != 0 || used > used_max || unused < unused_min)
        return code;
    int rc = sqlite3_exec(db->sqlite, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_failed(db, rc);
}

int db_attempts(struct db *db, int64_t row,
                int (*each)(void *context, const struct queue_attempt *attempt), void *context)
{
    sqlite3_stmt *s = db_statement(db, ATTEMPTS);
    int rc = SQLITE_OK, code = 0;
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, row);
    while (code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct queue_attempt attempt = {
            .at_ms = sqlite3_column_int64(s, 0),
            .ms = sqlite3_column_int64(s, 1),
            .status = sqlite3_column_int(s, 2),
            .error = db_column_text(s, 3),
            .reply = sqlite3_column_blob(s, 4),
            .reply_size = (size_t)sqlite3_column_bytes(s, 4),
        };
        code = each(context, &attempt);
    }
    return end_walk(db, s, rc, code);
}

int db_origins(struct db *db, int (*each)(void *context, const struct queue_origin *origin),
               void *context)
{
    sqlite3_stmt *s = db_statement(db, ORIGINS);
    int rc = SQLITE_OK, code = 0;
    if (!s)
        return -EIO;
    while (code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        char name[ORIGIN_SIZE];
        origin_of(db_column_text(s, 2), name);
        struct queue_origin origin = {
            .name = name,
            .waiting = sqlite3_column_int64(s, 0),
            .next_due_ms = sqlite3_column_int64(s, 1),
            .held_until_ms = sqlite3_column_int64(s, 3),
            .failures = (unsigned)sqlite3_column_int64(s, 4),
            .held_lanes = sqlite3_column_int64(s, 5),
            .oldest_ms = sqlite3_column_int64(s, 6),
        };
        code = each(context, &origin);
    }
    return end_walk(db, s, rc, code);
}

int db_has_file(struct db *db, const char *name, bool *has)
{
    sqlite3_stmt *s = db_statement(db, HAS_FILE);
    if (!s)
        return -EIO;
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, name, (int)strcspn(name, "."), SQLITE_STATIC);
    int rc = sqlite3_step(s);
    *has = sqlite3_column_int(s, 0);
    int code = rc == SQLITE_ROW ? 0 : db_failed(db, rc);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return code;
}

int db_version(struct db *db, int64_t *version)
{
    return read_number(db, DATA_VERSION, version);
}
