/* What is held back, and ended by an operator; and what waits, edited. */
#include <errno.h>

#include "../../base/clock.h"
#include "db_private.h"
#include "sqlite.h"

#define PAGE_SIZE 500 /* of one transaction, so that a server that runs is not kept waiting */

/* Another URL, or secret; *changed: it was no e-mail. Within a transaction. */
static int edit_row(struct db *db, int64_t row, const struct store_edit *edit, bool *changed)
{
    sqlite3_stmt *s = db_statement(db, EDIT);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, row);
    sqlite3_bind_text(s, 2, edit->url, -1, SQLITE_STATIC);
    sqlite3_bind_int(s, 3, edit->secret || edit->unsign);
    sqlite3_bind_text(s, 4, edit->secret, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 5, (int64_t)edit->origin);
    sqlite3_bind_int64(s, 6, (int64_t)edit->lane);
    int code = db_run(db, s);
    *changed = code == 0 && sqlite3_changes(db->sqlite) > 0;
    sqlite3_clear_bindings(s);
    return code;
}

/* Those that are over, or are not. */
static int each_hold(struct db *db, bool over, int64_t now_ms,
                     int (*each)(void *context, const struct queue_hold *hold), void *context)
{
    sqlite3_stmt *s = db_statement(db, HOLDS);
    int rc = SQLITE_OK, code = 0;
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, now_ms);
    sqlite3_bind_int(s, 2, over);
    while (code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct queue_hold hold = {(uint64_t)sqlite3_column_int64(s, 0),
                                  (uint64_t)sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2),
                                  (unsigned)sqlite3_column_int64(s, 3)};
        code = each(context, &hold);
    }
    if (code == 0 && rc != SQLITE_DONE)
        code = db_failed(db, rc);
    sqlite3_reset(s);
    return code;
}

/* Within a transaction. */
static int probe_now(struct db *db, uint64_t origin, uint64_t lane, int64_t now_ms)
{
    sqlite3_stmt *s = db_statement(db, PROBE);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, (int64_t)origin);
    sqlite3_bind_int64(s, 2, (int64_t)lane);
    sqlite3_bind_int64(s, 3, now_ms);
    return db_run(db, s);
}

/* ---- As store_ops says ---- */

/* Ends a transaction. */
static int close_edit(struct db *db, int code)
{
    if (code == 0)
        code = db_commit(db);
    if (code != 0)
        db_undo(db);
    return code;
}

/* How many; those are the first of `rows` then. */
static int edit_rows(struct db *db, const struct store_edit *edit, struct db_row *rows, int count)
{
    int code = 0, done = 0;
    for (int i = 0; i < count && code == 0; i++) {
        bool changed = false;
        code = edit_row(db, rows[i].row, edit, &changed);
        if (changed)
            rows[done++] = rows[i];
    }
    return code == 0 ? done : code;
}

static int64_t edit_one(struct store *store, const struct store_edit *edit, const char *id)
{
    struct db *db = ((struct sqlite_store *)store)->db;
    struct db_row row;
    int done = 0, code = db_begin(db);
    if (code != 0)
        return code;
    code = db_find(db, id, &row.row, &row.payload_row);
    if (code == 0)
        code = done = edit_rows(db, edit, &row, 1);
    code = close_edit(db, code < 0 ? code : 0);
    if (code == 0 && done > 0)
        store_tell_changed(store, id);
    return code == 0 ? done : code;
}

int64_t sqlite_edit(struct store *store, const struct store_edit *edit, const char *id,
                    const struct queue_filter *filter)
{
    struct db *db = ((struct sqlite_store *)store)->db;
    struct db_row rows[PAGE_SIZE];
    int64_t sum = 0, after = 0;
    int count = PAGE_SIZE;
    if (id)
        return edit_one(store, edit, id);
    while (count == PAGE_SIZE) {
        int code = db_begin(db);
        if (code != 0)
            return code;
        count = db_page(db, filter, after, rows, PAGE_SIZE);
        after = count > 0 ? rows[count - 1].row : after;
        int done = count < 0 ? count : edit_rows(db, edit, rows, count);
        code = close_edit(db, done < 0 ? done : 0);
        if (code != 0)
            return code;
        for (int i = 0; i < done; i++)
            store_tell_changed(store, rows[i].id);
        sum += done;
    }
    return sum;
}

int sqlite_holds(struct store *store, int (*each)(void *context, const struct queue_hold *hold),
                 void *context)
{
    return each_hold(((struct sqlite_store *)store)->db, false, clock_unix_ms(), each, context);
}

int sqlite_probe(struct store *store, uint64_t origin, uint64_t lane)
{
    struct db *db = ((struct sqlite_store *)store)->db;
    int code = db_begin(db);
    return code == 0 ? close_edit(db, probe_now(db, origin, lane, clock_unix_ms())) : code;
}

struct probing {
    struct leases *leases;
    void (*each)(void *context, uint64_t origin, uint64_t lane);
    void *context;
};

static int note_probe(void *context, const struct queue_hold *hold)
{
    struct probing *probing = context;
    if (leases_probe(probing->leases, hold->origin, hold->lane, clock_unix_ms()))
        probing->each(probing->context, hold->origin, hold->lane);
    return 0;
}

void sqlite_probes(struct store *store, void (*each)(void *context, uint64_t origin, uint64_t lane),
                   void *context)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    struct probing probing = {&s->leases, each, context};
    (void)each_hold(s->db, true, clock_unix_ms(), note_probe, &probing);
}
