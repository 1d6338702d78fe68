/*
 * The history in a SQLite file of its own: how it is opened, and its schema.
 *
 * A segment's blobs are tables of their own, so that what is looked at for each segment stands close together.
 */
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/log.h"

#define SCHEMA_VERSION  3
#define BUSY_TIMEOUT_MS 2000
#define PAGE_SIZE       8192
#define SPAN_MS         600000 /* until it is known how long all is kept */

/* place: attempts at a delivery are numbered as they come; neither their time nor their number differs always. */
#define ATTEMPTS                                                                                   \
    "CREATE TABLE attempts(message INTEGER NOT NULL, delivery INTEGER NOT NULL, place INTEGER NOT" \
    " NULL, at_ms INTEGER NOT NULL, number INTEGER NOT NULL, ms INTEGER, state INTEGER,"           \
    " status INTEGER, error TEXT, reply TEXT, target TEXT, body INTEGER, action INTEGER NOT NULL," \
    " PRIMARY KEY(message, delivery, place)) WITHOUT ROWID;"

static const char schema[] =
    "CREATE TABLE segments(row INTEGER PRIMARY KEY, count INTEGER NOT NULL, first_ms INTEGER NOT"
    " NULL, last_ms INTEGER NOT NULL, first_id TEXT NOT NULL, last_id TEXT NOT NULL,"
    " bytes INTEGER NOT NULL);"
    "CREATE TABLE terms(row INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TABLE records(row INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TABLE subjects(row INTEGER PRIMARY KEY, bytes BLOB NOT NULL);" ATTEMPTS
    "CREATE TABLE bodies(row INTEGER PRIMARY KEY, message INTEGER NOT NULL, bytes BLOB NOT NULL);"
    "CREATE INDEX bodies_message ON bodies(message);"
    "CREATE TABLE origins(origin INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, status INTEGER NOT"
    " NULL, error TEXT, answered INTEGER NOT NULL, mean_ms REAL NOT NULL);";

/* Of version 2, where attempts were told apart by their time and number. */
static const char from_2[] =
    "ALTER TABLE attempts RENAME TO attempts_2;" ATTEMPTS
    "INSERT INTO attempts SELECT message, delivery, row_number() OVER (PARTITION BY message,"
    " delivery ORDER BY at_ms, number), at_ms, number, ms, state, status, error, reply, target, "
    "body,"
    " 0 FROM attempts_2;"
    "DROP TABLE attempts_2;";

static int read_version(struct history_store *store, int *version)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &s, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW)
        *version = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW ? 0 : history_sqlite_failed(store, rc);
}

static int prepare_schema(struct history_store *store, enum history_use use)
{
    char text[64];
    int version = 0;
    int code = read_version(store, &version);
    if (code != 0 || version == SCHEMA_VERSION)
        return code;
    if (use != HISTORY_SERVE || (version != 0 && version != 2)) {
        snprintf(store->error, sizeof store->error, "made by another version of mxhook");
        return -EPROTONOSUPPORT;
    }
    snprintf(text, sizeof text, "PRAGMA user_version = %d; COMMIT", SCHEMA_VERSION);
    code = history_execute(store, "BEGIN IMMEDIATE");
    if (code == 0)
        code = history_execute(store, version == 0 ? schema : from_2);
    return code == 0 ? history_execute(store, text) : code;
}

/* NORMAL: a commit waits for no sync. After a power loss the last ones may be missing. */
static int set_up(struct history_store *store, enum history_use use)
{
    char text[256];
    snprintf(text, sizeof text,
             "PRAGMA page_size = %d; PRAGMA cache_size = -4096; PRAGMA temp_store = memory;"
             "PRAGMA secure_delete = FAST; PRAGMA journal_size_limit = 16777216;"
             "PRAGMA synchronous = NORMAL;%s",
             PAGE_SIZE, use == HISTORY_SERVE ? "PRAGMA journal_mode = WAL;" : "");
    int code = history_execute(store, text);
    return code == 0 ? prepare_schema(store, use) : code;
}

static int open_file(const char *path, enum history_use use, struct history_store **out,
                     struct error *err)
{
    struct history_store *store = calloc(1, sizeof *store);
    if (!store)
        return error_set(err, -ENOMEM, "%s: out of memory", path);
    store->span_ms = SPAN_MS;
    if (use == HISTORY_SERVE) { /* SQLite would make it readable for all */
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0)
            close(fd);
    } else if (access(path, use == HISTORY_READ ? R_OK : R_OK | W_OK) != 0) {
        free(store);
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    }
    int rc = sqlite3_open_v2(
        path, &store->db,
        SQLITE_OPEN_NOMUTEX | (use == HISTORY_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE),
        NULL);
    int code = rc == SQLITE_OK ? 0 : history_sqlite_failed(store, rc);
    if (code == 0) {
        sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
        code = set_up(store, use);
    }
    if (code == 0) {
        *out = store;
        return 0;
    }
    error_set(err, code, "%s: %s", path, store->error);
    history_sqlite.close(store);
    return code;
}

/* It is not worth refusing to start: what is there is kept, for whoever wants to look. */
static void put_aside(const char *path, bool damaged, const char *reason)
{
    char aside[4200], from[4200], to[4400];
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    snprintf(aside, sizeof aside, "%s.%s", path, damaged ? "damaged" : "old");
    for (int i = 0; i < 3; i++) {
        snprintf(from, sizeof from, "%s%s", path, suffixes[i]);
        snprintf(to, sizeof to, "%s%s", aside, suffixes[i]);
        if (rename(from, to) != 0)
            unlink(to); /* an older one's must not be taken for this one's */
    }
    log_warn(damaged ? "history-damaged" : "history-replaced", NULL, LOG_TEXT("kept", aside),
             LOG_TEXT("error", reason), LOG_TEXT("result", "a new one was begun"));
}

static int sqlite_open(const struct spool_config *spool, enum history_use use,
                       struct history_store **out, struct error *err)
{
    char path[4100];
    const char *directory = spool->directory;
    if ((size_t)snprintf(path, sizeof path, "%s/history.db", directory) >= sizeof path)
        return error_set(err, -ENAMETOOLONG, "%s: the name is too long", directory);
    int code = open_file(path, use, out, err);
    if (use != HISTORY_SERVE || (code != -EBADMSG && code != -EPROTONOSUPPORT))
        return code;
    put_aside(path, code == -EBADMSG, err->text);
    return open_file(path, use, out, err);
}

static void sqlite_close(struct history_store *store)
{
    if (!store)
        return;
    for (int i = 0; i < HISTORY_STATEMENTS; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    segment_free(&store->writer);
    free(store);
}

static const char *sqlite_error(struct history_store *store)
{
    return store->error;
}

const struct history_ops history_sqlite = {.name = "sqlite",
                                           .open = sqlite_open,
                                           .close = sqlite_close,
                                           .write = history_sqlite_write,
                                           .tidy = history_sqlite_tidy,
                                           .size = history_sqlite_size,
                                           .error = sqlite_error,
                                           .list = history_sqlite_list,
                                           .attempts = history_sqlite_attempts,
                                           .answers = history_sqlite_answers,
                                           .body = history_sqlite_body};
