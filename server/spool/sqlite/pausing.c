/* What an operator has paused. */
#include <errno.h>
#include <stdio.h>

#include "db_private.h"
#include "sqlite.h"

static void read_pause(sqlite3_stmt *s, struct pause *pause)
{
    *pause = (struct pause){.origin = (uint64_t)sqlite3_column_int64(s, 0),
                            .lane = (uint64_t)sqlite3_column_int64(s, 1),
                            .since_ms = sqlite3_column_int64(s, 4),
                            .waiting = sqlite3_column_int64(s, 5)};
    const char *name = db_column_text(s, 2), *reason = db_column_text(s, 3);
    snprintf(pause->name, sizeof pause->name, "%s", name ? name : "");
    snprintf(pause->reason, sizeof pause->reason, "%s", reason ? reason : "");
}

int db_pauses(struct db *db, bool counted, struct pauses *pauses)
{
    sqlite3_stmt *s = db_statement(db, counted ? PAUSES_COUNTED : PAUSES);
    int rc = SQLITE_OK, code = 0;
    if (!s)
        return -EIO;
    sqlite3_bind_int(s, 1, PAUSES_MAX);
    while (code == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct pause pause;
        read_pause(s, &pause);
        code = pauses_add(pauses, &pause);
    }
    if (code == 0 && rc != SQLITE_DONE)
        code = db_failed(db, rc);
    sqlite3_reset(s);
    return code;
}

int db_pause(struct db *db, const struct pause *pause)
{
    sqlite3_stmt *s = db_statement(db, PAUSE);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, (int64_t)pause->origin);
    sqlite3_bind_int64(s, 2, (int64_t)pause->lane);
    sqlite3_bind_text(s, 3, pause->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 4, pause->reason, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 5, pause->since_ms);
    int code = db_run(db, s);
    sqlite3_clear_bindings(s);
    return code;
}

static int resume(struct db *db, uint64_t origin, uint64_t lane)
{
    sqlite3_stmt *s = db_statement(db, RESUME);
    if (!s)
        return -EIO;
    sqlite3_bind_int64(s, 1, (int64_t)origin);
    sqlite3_bind_int64(s, 2, (int64_t)lane);
    int code = db_run(db, s);
    return code == 0 && sqlite3_changes(db->sqlite) == 0 ? -ENOENT : code;
}

/* ---- As store_ops says ---- */

int sqlite_pauses(struct store *store, bool counted, struct pauses *pauses)
{
    return db_pauses(((struct sqlite_store *)store)->db, counted, pauses);
}

/* Ends a transaction. */
static int close_pausing(struct db *db, int code)
{
    if (code == 0)
        code = db_commit(db);
    if (code != 0)
        db_undo(db);
    return code;
}

int sqlite_pause(struct store *store, const struct pause *pause)
{
    struct db *db = ((struct sqlite_store *)store)->db;
    int code = db_begin(db);
    return code == 0 ? close_pausing(db, db_pause(db, pause)) : code;
}

int sqlite_resume(struct store *store, uint64_t origin, uint64_t lane)
{
    struct db *db = ((struct sqlite_store *)store)->db;
    int code = db_begin(db);
    return code == 0 ? close_pausing(db, resume(db, origin, lane)) : code;
}

/* What was passed over while it was paused may be due. */
void sqlite_heed(struct store *store, const struct pauses *pauses)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    s->leases.pauses = pauses;
    s->leases.incomplete = true;
}
