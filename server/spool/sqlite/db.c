/* The statements, transactions, and what errors mean. */
#include "db_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../columns.h"

#define DELIVERY_COLUMNS                                                                           \
    "row, payload, origin, due, attempts, created, id, sender, recipient, last_status, "           \
    "last_error, mail_from, via, about, " DESTINATION_COLUMNS("")

/* What struct queue_filter says. */
#define FILTER                                                                                     \
    "(NOT ?1 OR due IS NULL) AND (?2 IS NULL OR url = ?2) AND created >= ?3 "                      \
    "AND (?6 IS NULL OR substr(url, 1, length(?6)) = ?6) "                                         \
    "AND (?7 IS NULL OR host_of(url) = lower(?7)) AND (?8 < 0 OR last_status = ?8) "               \
    "AND (?9 IS NULL OR instr(lower(last_error), lower(?9)) > 0) "                                 \
    "AND (?10 IS NULL OR lower(recipient) = lower(?10)) "                                          \
    "AND (?11 IS NULL OR lower(sender) = lower(?11)) AND (?12 = 0 OR created < ?12)"

/* Those after ?4; of all that has failed by the index of it, since few have: a walk over the table
 * would read all that waits. */
#define FROM_ALL "FROM delivery WHERE row > ?4 AND " FILTER " ORDER BY row"
#define FROM_FAILED                                                                                \
    "FROM delivery WHERE row IN (SELECT row FROM delivery INDEXED BY delivery_failed "             \
    "WHERE due IS NULL AND row > ?4) AND " FILTER " ORDER BY row"

/* A failed delivery's due is NULL: the index of what is due does not hold it. */
static const char *const sql[STATEMENT_COUNT] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [MARK] = "SAVEPOINT mark",
    [MARK_KEEP] = "RELEASE mark",
    [MARK_UNDO] = "ROLLBACK TO mark",
    [INSERT_DELIVERY] = "INSERT INTO delivery (" DELIVERY_COLUMNS ", lane) "
                        "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,"
                        "?19,?20,?21,?22,?23,?24,?25,?26,?27)",
    [INSERT_PAYLOAD] = "INSERT INTO payload (row, last, tail, file, bytes) VALUES (?1,?2,?3,?4,?5)",
    [INSERT_TAIL] = "INSERT INTO tail (row, last, file, bytes) VALUES (?1,?2,?3,?4)",
    [DELETE_DELIVERY] = "DELETE FROM delivery WHERE row = ?1",
    [DELETE_PAYLOAD] = "DELETE FROM payload WHERE row = ?1",
    [DELETE_TAIL] = "DELETE FROM tail WHERE row = ?1",
    [DELETE_ATTEMPTS] = "DELETE FROM attempt WHERE delivery = ?1",
    [INSERT_ATTEMPT] = "INSERT OR REPLACE INTO attempt (delivery, at, ms, status, error, reply) "
                       "SELECT ?1, ?2, ?3, ?4, ?5, ?6 "
                       "WHERE EXISTS (SELECT 1 FROM delivery WHERE row = ?1)",
    [TRIM_ATTEMPTS] = "DELETE FROM attempt WHERE delivery = ?1 AND at < (SELECT at FROM attempt "
                      "WHERE delivery = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)",
    [INSERT_HELD] = "INSERT OR REPLACE INTO held (origin, lane, name, until, failures) "
                    "VALUES (?1,?2,?3,?4,?5)",
    [DELETE_HELD] = "DELETE FROM held WHERE origin = ?1 AND lane = ?2",
    [FORGET_HELD] = "DELETE FROM held",
    /* attempts: where it is not as it was read, `mxhook queue retry` has begun anew. */
    [UPDATE_DELIVERY] = "UPDATE delivery SET due = ?2, attempts = ?3, last_status = ?4, "
                        "last_error = ?5 WHERE row = ?1 AND attempts = ?6",
    [FAIL_DELIVERY] = "UPDATE delivery SET due = NULL, last_error = ?2 WHERE row = ?1",
    [RESET_DELIVERY] = "UPDATE delivery SET due = ?2, attempts = 0, last_status = 0, "
                       "last_error = NULL WHERE row = ?1",
    [PAYLOAD_USE] = "SELECT tail, file, EXISTS (SELECT 1 FROM delivery d WHERE d.row BETWEEN p.row "
                    "AND p.last AND d.payload = p.row) FROM payload p WHERE p.row = ?1",
    [TAIL_USE] = "SELECT file, EXISTS (SELECT 1 FROM payload p WHERE p.row BETWEEN t.row AND "
                 "t.last AND p.tail = t.row) FROM tail t WHERE t.row = ?1",
    [DUE] = "SELECT row, due FROM delivery INDEXED BY delivery_due "
            "WHERE origin = ?1 AND lane = ?2 AND due IS NOT NULL ORDER BY due, row",
    [NEXT_LANE] = "SELECT lane, due FROM delivery INDEXED BY delivery_due WHERE due IS NOT NULL "
                  "AND origin = ?1 AND lane > ?2 ORDER BY lane, due LIMIT 1",
    [NEXT_ORIGIN] = "SELECT origin FROM delivery INDEXED BY delivery_due "
                    "WHERE due IS NOT NULL AND origin > ?1 ORDER BY origin LIMIT 1",
    [LOAD_DELIVERY] = "SELECT " DELIVERY_COLUMNS " FROM delivery WHERE row = ?1",
    [LOAD_PAYLOAD] = "SELECT tail, file, bytes FROM payload WHERE row = ?1",
    [LOAD_TAIL] = "SELECT file, bytes FROM tail WHERE row = ?1",
    [FIND] = "SELECT row, payload FROM delivery WHERE id = ?1",
    [LIST] = "SELECT " DELIVERY_COLUMNS " " FROM_ALL,
    [LIST_FAILED] = "SELECT " DELIVERY_COLUMNS " " FROM_FAILED,
    [PAGE] = "SELECT row, payload, id " FROM_ALL " LIMIT ?5",
    [PAGE_OF_FAILED] = "SELECT row, payload, id " FROM_FAILED " LIMIT ?5",
    [PAGE_FAILED] = "SELECT row, payload FROM delivery INDEXED BY delivery_failed "
                    "WHERE due IS NULL AND created < ?1 ORDER BY created LIMIT ?2",
    [PAGE_AGED] = "SELECT row, payload, id, created, due IS NOT NULL AND "
                  "(attempts > 0 OR last_status <> 0 OR last_error IS NOT NULL OR due < ?2) "
                  "FROM delivery WHERE row > ?1 ORDER BY row",
    [NEXT_DELIVERY] = "SELECT row FROM delivery NOT INDEXED WHERE row > ?1 ORDER BY row LIMIT 1",
    [NEXT_PAYLOAD] = "SELECT row FROM payload NOT INDEXED WHERE row > ?1 ORDER BY row LIMIT 1",
    /* Rows stand in the order of acceptance. */
    [NEWEST] = "SELECT ifnull((SELECT created FROM delivery ORDER BY row DESC LIMIT 1), 0)",
    [SET_BACK] = "UPDATE delivery SET due = CASE WHEN due > ?2 THEN due - ?1 ELSE due END, "
                 "created = min(created, ?2) WHERE row IN (SELECT row FROM delivery "
                 "WHERE row > ?3 AND (due > ?2 OR created > ?2) ORDER BY row LIMIT ?4) "
                 "RETURNING row",
    [PAGE_COUNT] = "PRAGMA page_count",
    [FREE_COUNT] = "PRAGMA freelist_count",
    [ATTEMPTS] = "SELECT at, ms, status, error, reply FROM attempt WHERE delivery = ?1 ORDER BY at",
    /* max() and min() of a group that an index orders cost a walk over that index only. */
    [ORIGINS] =
        "SELECT w.count, w.due, ifnull(h.name, (SELECT ifnull(via, url) FROM delivery WHERE row = "
        "w.row)), ifnull(h.until, 0), ifnull(h.failures, 0), "
        "(SELECT count(*) FROM held l WHERE l.origin = w.origin AND l.lane <> 0), "
        "(SELECT created FROM delivery WHERE row = w.first) "
        "FROM (SELECT origin, count(*) AS count, min(due) AS due, max(row) AS row, min(row) AS "
        "first "
        "FROM delivery INDEXED BY delivery_due WHERE due IS NOT NULL GROUP BY origin) w "
        "LEFT JOIN held h ON h.origin = w.origin AND h.lane = 0 ORDER BY w.count DESC",
    [COUNT_FAILED] = "SELECT count(*) FROM delivery INDEXED BY delivery_failed WHERE due IS NULL",
    /* ?2: the id that its name begins with. Where a delivery of that message is left the file is
     * too, even if no row names it: an index that is damaged must not cost a payload. */
    [HAS_FILE] = "SELECT EXISTS (SELECT 1 FROM payload WHERE file = ?1) "
                 "OR EXISTS (SELECT 1 FROM tail WHERE file = ?1) "
                 "OR EXISTS (SELECT 1 FROM delivery WHERE id = ?2) "
                 "OR EXISTS (SELECT 1 FROM delivery WHERE id > ?2 || '-' AND id < ?2 || '.')",
    /* ?3: 0, the secret stays. E-mail has a way of its own. */
    [EDIT] = "UPDATE delivery SET url = ifnull(?2, url), origin = iif(?2 IS NULL, origin, ?5), "
             "lane = iif(?2 IS NULL, lane, ?6), secret = iif(?3, ?4, secret) "
             "WHERE row = ?1 AND via IS NULL AND url LIKE 'http%://%'",
    [HOLDS] = "SELECT origin, lane, until, failures FROM held WHERE (until <= ?1) = ?2",
    [PROBE] = "UPDATE held SET until = ?3 WHERE origin = ?1 AND lane = ?2 AND until > ?3",
    [PAUSES] = "SELECT origin, lane, name, reason, since, 0 FROM paused "
               "ORDER BY origin, lane LIMIT ?1",
    [PAUSES_COUNTED] = "SELECT origin, lane, name, reason, since, CASE WHEN lane = 0 THEN "
                       "(SELECT count(*) FROM delivery d INDEXED BY delivery_due "
                       "WHERE d.due IS NOT NULL AND d.origin = p.origin) ELSE "
                       "(SELECT count(*) FROM delivery d INDEXED BY delivery_due WHERE d.due IS "
                       "NOT NULL AND d.origin = p.origin AND d.lane = p.lane) END "
                       "FROM paused p ORDER BY origin, lane LIMIT ?1",
    [PAUSE] = "INSERT INTO paused (origin, lane, name, reason, since) VALUES (?1,?2,?3,?4,?5) "
              "ON CONFLICT (origin, lane) DO UPDATE SET reason = ?4",
    [RESUME] = "DELETE FROM paused WHERE origin = ?1 AND lane = ?2",
    [LAST_ROW] = "SELECT max((SELECT ifnull(max(row), 0) FROM delivery), "
                 "(SELECT ifnull(max(row), 0) FROM payload), "
                 "(SELECT ifnull(max(row), 0) FROM tail))",
    [DATA_VERSION] = "PRAGMA data_version",
};

/* ---- Errors ---- */

static int last_errno(sqlite3_file *file)
{
    int number = 0;
    if (file && file->pMethods)
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &number);
    return number;
}

/* SQLite knows ENOSPC as a full disk, but not that a quota or a limit is just as full; and
 * sqlite3_system_errno() is not set where a commit fails. So the files are asked. */
static int system_errno(struct db *db)
{
    sqlite3_file *files[2] = {NULL, NULL}; /* the database and its log */
    sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_FILE_POINTER, &files[0]);
    sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_JOURNAL_POINTER, &files[1]);
    for (int i = 0; i < 2; i++) {
        int number = last_errno(files[i]);
        if (number == ENOSPC || number == EDQUOT || number == EFBIG)
            return -ENOSPC;
    }
    return -EIO;
}

static int errno_of(struct db *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL: return -ENOSPC;
    case SQLITE_NOMEM: return -ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return -EBUSY;
    case SQLITE_READONLY: return -EROFS;
    case SQLITE_TOOBIG: return -EFBIG;
    case SQLITE_CONSTRAINT: return -EEXIST;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return -EBADMSG;
    default: return system_errno(db);
    }
}

int db_failed(struct db *db, int rc)
{
    snprintf(db->error, sizeof db->error, "%s", sqlite3_errmsg(db->sqlite));
    return errno_of(db, rc);
}

const char *db_error(const struct db *db)
{
    return db->error;
}

/* ---- Statements ---- */

sqlite3_stmt *db_statement(struct db *db, enum statement which)
{
    sqlite3_stmt **statement = &db->statements[which];
    if (*statement)
        return *statement;
    int rc =
        sqlite3_prepare_v3(db->sqlite, sql[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    if (rc != SQLITE_OK)
        db_failed(db, rc);
    return *statement;
}

int db_run(struct db *db, sqlite3_stmt *statement)
{
    if (!statement)
        return -EIO;
    int rc;
    do
        rc = sqlite3_step(statement);
    while (rc == SQLITE_ROW);
    int code = rc == SQLITE_DONE ? 0 : db_failed(db, rc);
    sqlite3_reset(statement);
    return code;
}

static int run(struct db *db, enum statement which)
{
    return db_run(db, db_statement(db, which));
}

/* ---- Transactions ---- */

void db_end_removals(struct db *db, struct removal *until, bool committed)
{
    while (db->removals != until) {
        struct removal *removal = db->removals;
        db->removals = removal->next;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", db->bodies, removal->name);
        if (committed)
            unlink(path);
        free(removal);
    }
}

int db_begin(struct db *db)
{
    return run(db, BEGIN);
}

int db_commit(struct db *db)
{
    int code = run(db, COMMIT);
    if (code == 0)
        db_end_removals(db, NULL, true);
    return code;
}

void db_undo(struct db *db)
{
    if (!db_broken(db))
        run(db, ROLLBACK);
    db_end_removals(db, NULL, false);
}

int db_mark(struct db *db)
{
    db->removals_at_mark = db->removals;
    return run(db, MARK);
}

int db_unmark(struct db *db, bool keep)
{
    if (keep)
        return run(db, MARK_KEEP);
    db_end_removals(db, db->removals_at_mark, false);
    int code = run(db, MARK_UNDO);
    return code == 0 ? run(db, MARK_KEEP) : code;
}

bool db_broken(const struct db *db)
{
    return sqlite3_get_autocommit(db->sqlite);
}
