/* The statements of the history, and how all of its files run them. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

sqlite3_stmt *history_statement(struct history_store *store, enum history_statement which)
{
    static const char *const texts[HISTORY_STATEMENTS] = {
        [BEGIN_BATCH] = "BEGIN IMMEDIATE",
        [COMMIT_BATCH] = "COMMIT",
        [INSERT_MESSAGE] =
            "INSERT OR IGNORE INTO messages VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
            " ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
        [INSERT_SUBJECT] = "INSERT INTO subjects(rowid, subject) VALUES(?1, ?2)",
        [INSERT_RECIPIENT] = "INSERT INTO recipients VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        [INSERT_DESTINATION] = "INSERT INTO destinations(name, origin) VALUES(?1, ?2)",
        [FIND_DESTINATION] = "SELECT row FROM destinations WHERE name = ?1",
        [INSERT_DELIVERY] =
            "INSERT OR IGNORE INTO deliveries(message, number, recipient, destination, origin,"
            " state, status, attempts, error, ended_ms, target, body)"
            " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        [INSERT_BODY] = "INSERT INTO bodies(message, bytes) VALUES(?1, ?2)",
        [FIND_MESSAGE] = "SELECT row FROM messages WHERE id = ?1",
        [INSERT_ATTEMPT] = "INSERT OR REPLACE INTO attempts VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        [END_DELIVERY] = "UPDATE deliveries SET state = ?3, status = ?4, attempts = ?5, error = ?6,"
                         " ended_ms = ?7 WHERE message = ?1 AND number = ?2",
        [KEEP_PAYLOAD] =
            "UPDATE deliveries SET target = ?3, body = ?4 WHERE message = ?1 AND number = ?2",
        [OLDEST] = "SELECT row, at_ms FROM messages ORDER BY row LIMIT 1",
        [OLDER] = "SELECT max(row) FROM (SELECT row FROM messages WHERE at_ms < ?1 OR ?1 = 0"
                  " ORDER BY row LIMIT ?2)",
        [READ_RECIPIENTS] =
            "SELECT address, verdict, rule, asked FROM recipients WHERE message = ?1"
            " ORDER BY number LIMIT 1000",
        [READ_DELIVERIES] =
            "SELECT d.number, d.recipient, t.name, t.origin, d.state, d.status, d.attempts,"
            " d.error, d.ended_ms, d.target, d.body FROM deliveries d JOIN destinations t"
            " ON t.row = d.destination WHERE d.message = ?1 ORDER BY d.number LIMIT 1000",
        [READ_ATTEMPTS] =
            "SELECT number, at_ms, ms, status, error, reply FROM attempts WHERE message = ?1"
            " AND delivery = ?2 ORDER BY number LIMIT 1000",
        /* The newest wait for their first attempt, perhaps: so more of them than answers. */
        [READ_ANSWERS] = "SELECT a.at_ms, a.ms, a.status, a.error FROM (SELECT message, number FROM"
                         " deliveries WHERE origin = ?1 ORDER BY message DESC LIMIT 10000) d"
                         " CROSS JOIN attempts a ON a.message = d.message AND a.delivery = d.number"
                         " LIMIT ?2",
        [READ_BODY] = "SELECT bytes FROM bodies WHERE row = ?1",
    };
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

char *history_address_key(const char *address)
{
    const char *at = strrchr(address, '@');
    size_t size = strlen(address);
    char *key = malloc(size + 2);
    if (!key)
        return NULL;
    size_t domain = at ? size - (size_t)(at + 1 - address) : 0;
    for (size_t i = 0; i < domain; i++)
        key[i] = (char)tolower((unsigned char)at[1 + i]);
    key[domain] = ' ';
    size_t local = at ? (size_t)(at - address) : size;
    memcpy(key + domain + 1, address, local);
    key[domain + 1 + local] = 0;
    return key;
}
