/* What `mxhook queue` changes, and the one delivery that it shows. */
#include <errno.h>

#include "../../base/clock.h"
#include "sqlite.h"

int sqlite_show(struct store *store, const char *id, struct delivery **out, const char **reason)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    int64_t row, payload_row;
    int code = db_find(s->db, id, &row, &payload_row);
    if (code != 0)
        return code;
    code = db_load(s->db, row, NULL, out, reason);
    if (code == 0)
        *reason = NULL;
    return code;
}

static int change_rows(struct db *db, enum store_change what, const struct db_row *rows, int count)
{
    int code = 0;
    for (int i = 0; i < count && code == 0; i++)
        code = what == CHANGE_RETRY ? db_reset(db, rows[i].row, clock_unix_ms())
                                    : db_remove(db, rows[i].row, rows[i].payload_row, true);
    return code;
}

/* Ends a transaction. */
static int close_change(struct db *db, int code)
{
    if (code == 0)
        code = db_commit(db);
    if (code != 0)
        db_undo(db);
    return code;
}

int sqlite_change(struct store *store, enum store_change what, const char *id)
{
    struct db *db = ((struct sqlite_store *)store)->db;
    struct db_row row;
    int code = db_begin(db);
    if (code != 0)
        return code;
    code = db_find(db, id, &row.row, &row.payload_row);
    code = close_change(db, code == 0 ? change_rows(db, what, &row, 1) : code);
    if (code == 0)
        store_tell_changed(store, id);
    return code;
}

/* So many a transaction, so that a server that runs is not kept waiting. */
#define PAGE_SIZE 500

int64_t sqlite_change_all(struct store *store, enum store_change what,
                          const struct queue_filter *filter)
{
    struct db *db = ((struct sqlite_store *)store)->db;
    struct db_row rows[PAGE_SIZE];
    int64_t done = 0, after = 0;
    int count = PAGE_SIZE;
    while (count == PAGE_SIZE) {
        int code = db_begin(db);
        if (code != 0)
            return code;
        count = db_page(db, filter, after, rows, PAGE_SIZE);
        code = close_change(db, count < 0 ? count : change_rows(db, what, rows, count));
        if (code != 0)
            return code;
        for (int i = 0; i < count; i++)
            store_tell_changed(store, rows[i].id);
        done += count;
        after = count > 0 ? rows[count - 1].row : after;
    }
    return done;
}
