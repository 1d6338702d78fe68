/* The statements of the history, and how all of its files run them. */
#include <errno.h>
#include <stdio.h>

#include "sqlite.h"

int history_sqlite_failed(struct history_store *store, int rc)
{
    snprintf(store->error, sizeof store->error, "%s",
             store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(rc));
    switch (rc & 0xff) {
    case SQLITE_FULL: return -ENOSPC;
    case SQLITE_NOMEM: return -ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return -EBADMSG;
    default: return -EIO;
    }
}

static const char *const texts[HISTORY_STATEMENTS] = {
    [BEGIN_BATCH] = "BEGIN IMMEDIATE",
    [COMMIT_BATCH] = "COMMIT",
    [NEXT_ROW] = "SELECT row + count FROM segments ORDER BY row DESC LIMIT 1",
    [INSERT_SEGMENT] = "INSERT INTO segments VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [INSERT_TERMS] = "INSERT INTO terms VALUES(?1, ?2)",
    [INSERT_RECORDS] = "INSERT INTO records VALUES(?1, ?2)",
    [INSERT_SUBJECTS] = "INSERT INTO subjects VALUES(?1, ?2)",
    [INSERT_BODY] = "INSERT INTO bodies(message, bytes) VALUES(?1, ?2)",
    [INSERT_ATTEMPT] =
        ("INSERT INTO attempts SELECT ?1, ?2, coalesce((SELECT max(place) FROM attempts WHERE"
         " message = ?1 AND delivery = ?2), 0) + 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12"),
    /* The mean is of the last ?7 answers, about. */
    [COUNT_ANSWERS] =
        "INSERT INTO origins VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(origin) DO UPDATE SET"
        " status = iif(excluded.at_ms >= at_ms, excluded.status, status),"
        " error = iif(excluded.at_ms >= at_ms, excluded.error, error),"
        " at_ms = max(at_ms, excluded.at_ms),"
        " mean_ms = (mean_ms * min(answered, ?7 - excluded.answered) + excluded.mean_ms *"
        " excluded.answered) / max(min(answered, ?7 - excluded.answered) + excluded.answered, 1),"
        " answered = min(answered + excluded.answered, ?7)",
    [SEGMENTS_OF_IDS] =
        "SELECT row FROM segments WHERE last_id >= ?1 AND first_id <= ?2 ORDER BY row DESC",
    [SEGMENT_OF_ROW] =
        "SELECT row FROM segments WHERE row <= ?1 AND row + count > ?1 ORDER BY row DESC LIMIT 1",
    [NEWEST_SEGMENTS] =
        "SELECT row, count, first_ms, last_ms, bytes FROM segments ORDER BY row DESC LIMIT ?1",
    [OLDEST_SEGMENT] = "SELECT row, count, first_ms, last_ms FROM segments ORDER BY row LIMIT 1",
    [READ_ATTEMPTS] = ("SELECT number, at_ms, ms, state, status, error, reply, target, body, action"
                       " FROM attempts WHERE message = ?1 AND delivery = ?2 ORDER BY place"),
    [READ_ANSWERS] =
        "SELECT at_ms, status, error, answered, mean_ms FROM origins WHERE origin = ?1",
    [READ_BODY] = "SELECT bytes FROM bodies WHERE row = ?1",
};

sqlite3_stmt *history_statement(struct history_store *store, enum history_statement which)
{
    sqlite3_stmt **statement = &store->statements[which];
    if (*statement) {
        sqlite3_reset(*statement);
        sqlite3_clear_bindings(*statement);
        return *statement;
    }
    int rc =
        sqlite3_prepare_v3(store->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    if (rc != SQLITE_OK)
        history_sqlite_failed(store, rc);
    return *statement;
}

int history_execute(struct history_store *store, const char *sql)
{
    int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : history_sqlite_failed(store, rc);
}

int history_run(struct history_store *store, sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);
    int code = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : history_sqlite_failed(store, rc);
    sqlite3_reset(statement);
    return code;
}

void history_bind_text(sqlite3_stmt *s, int index, const char *text)
{
    if (text && *text)
        sqlite3_bind_text(s, index, text, -1, SQLITE_STATIC);
}
