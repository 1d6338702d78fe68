/*
 * The tables, and how each version came from the one before. A migration that has been released is
 * never edited: the next one is added below it.
 *
 * Rows are numbered by mxhook, and those of one commit follow each other. A payload has the row of
 * its first delivery, a tail that of its first payload, and `last` that of the last one: so who
 * else needs it is a short walk over rows, without a counter to keep or an index to maintain.
 */
#include <errno.h>

#include "../origin.h"
#include "db_private.h"

static const char *const migrations[] = {
    /* 1 */
    "CREATE TABLE tail ("
    "  row INTEGER PRIMARY KEY,"
    "  last INTEGER NOT NULL," /* row of the last payload that ends with it */
    "  file TEXT,"             /* its name in bodies/, and bytes is its size; NULL: it is here */
    "  bytes BLOB);"
    "CREATE TABLE payload ("
    "  row INTEGER PRIMARY KEY,"
    "  last INTEGER NOT NULL," /* row of the last delivery that has it */
    "  tail INTEGER,"
    "  file TEXT,"
    "  bytes BLOB);"
    "CREATE TABLE delivery ("
    "  row INTEGER PRIMARY KEY,"
    "  payload INTEGER NOT NULL,"
    "  origin INTEGER NOT NULL,"   /* origin_key() of the URL, or of via */
    "  due INTEGER,"               /* Unix time in ms; NULL: failed */
    "  attempts INTEGER NOT NULL," /* made so far */
    "  created INTEGER NOT NULL,"
    "  id TEXT NOT NULL,"
    "  url TEXT NOT NULL,"
    "  secret TEXT,"
    "  headers TEXT," /* one on a line */
    "  timeout_ms INTEGER NOT NULL,"
    "  attempts_max INTEGER NOT NULL,"
    "  sender TEXT NOT NULL,"
    "  recipient TEXT NOT NULL,"
    "  last_status INTEGER NOT NULL,"
    "  last_error TEXT,"
    "  schedule TEXT," /* pauses in ms, separated by commas; NULL: the configuration's */
    "  ca_file TEXT,"
    "  client_cert TEXT,"
    "  client_key TEXT,"
    "  mail_from TEXT," /* these two of e-mail only */
    "  via TEXT,"
    "  about TEXT);"         /* id of the delivery whose failure it tells of; NULL: it is mail */
    "CREATE TABLE attempt (" /* those that were not the end of it */
    "  delivery INTEGER NOT NULL,"
    "  at INTEGER NOT NULL," /* Unix time in ms */
    "  ms INTEGER NOT NULL,"
    "  status INTEGER NOT NULL,"
    "  error TEXT NOT NULL,"
    "  reply BLOB,"
    "  PRIMARY KEY (delivery, at)) WITHOUT ROWID;"
    "CREATE TABLE held (" /* origins whose breaker is open, for `mxhook queue` to show */
    "  origin INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL,"
    "  until INTEGER NOT NULL,"
    "  failures INTEGER NOT NULL);"
    "CREATE INDEX delivery_due ON delivery (origin, due) WHERE due IS NOT NULL;"
    "CREATE INDEX delivery_id ON delivery (id);"
    "CREATE INDEX delivery_failed ON delivery (created) WHERE due IS NULL;"
    "CREATE INDEX payload_file ON payload (file) WHERE file IS NOT NULL;"
    "CREATE INDEX tail_file ON tail (file) WHERE file IS NOT NULL;",
    /* 2: lanes, and another hash of origins */
    "ALTER TABLE delivery ADD COLUMN lane INTEGER NOT NULL DEFAULT 0;" /* lane_key() */
    "DROP INDEX delivery_due;"
    "UPDATE delivery SET origin = origin_key(ifnull(via, url)), lane = lane_key(ifnull(via, url));"
    "CREATE INDEX delivery_due ON delivery (origin, lane, due) WHERE due IS NOT NULL;"
    "DROP TABLE held;"
    "CREATE TABLE held (" /* origins (lane 0) and lanes that are held, for `mxhook queue` to show */
    "  origin INTEGER NOT NULL,"
    "  lane INTEGER NOT NULL,"
    "  name TEXT NOT NULL,"
    "  until INTEGER NOT NULL,"
    "  failures INTEGER NOT NULL,"
    "  PRIMARY KEY (origin, lane)) WITHOUT ROWID;",
    /* 3: limits of a destination's own; 0: none */
    "ALTER TABLE delivery ADD COLUMN rate REAL NOT NULL DEFAULT 0;" /* requests a second */
    "ALTER TABLE delivery ADD COLUMN max_in_flight INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE delivery ADD COLUMN max_body INTEGER NOT NULL DEFAULT 0;", /* bytes */
    /* 4: what an operator has paused; lane 0: all of the origin */
    "CREATE TABLE paused ("
    "  origin INTEGER NOT NULL,"
    "  lane INTEGER NOT NULL,"
    "  name TEXT NOT NULL,"
    "  reason TEXT NOT NULL,"
    "  since INTEGER NOT NULL," /* Unix time in ms */
    "  PRIMARY KEY (origin, lane)) WITHOUT ROWID;",
};

#define VERSION ((int)(sizeof migrations / sizeof *migrations))

static int read_version(sqlite3 *db, int *version)
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    *version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static void origin_key_of(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const char *url = (const char *)sqlite3_value_text(values[0]);
    sqlite3_result_int64(context, (int64_t)origin_key(url ? url : ""));
}

static void lane_key_of(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const char *url = (const char *)sqlite3_value_text(values[0]);
    sqlite3_result_int64(context, (int64_t)lane_key(url ? url : ""));
}

static void host_of_url(sqlite3_context *context, int count, sqlite3_value **values)
{
    char host[ORIGIN_SIZE];
    (void)count;
    const char *url = (const char *)sqlite3_value_text(values[0]);
    host_of(url ? url : "", host);
    sqlite3_result_text(context, host, -1, SQLITE_TRANSIENT);
}

static void add_functions(sqlite3 *db)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    sqlite3_create_function(db, "origin_key", 1, flags, NULL, origin_key_of, NULL, NULL);
    sqlite3_create_function(db, "lane_key", 1, flags, NULL, lane_key_of, NULL, NULL);
    sqlite3_create_function(db, "host_of", 1, flags, NULL, host_of_url, NULL, NULL);
}

static int migrate(sqlite3 *db, int from)
{
    int rc = sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
    for (int v = from; v < VERSION && rc == SQLITE_OK; v++)
        rc = sqlite3_exec(db, migrations[v], NULL, NULL, NULL);
    char pragma[40];
    sqlite3_snprintf(sizeof pragma, pragma, "PRAGMA user_version = %d", VERSION);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, pragma, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    return rc;
}

int schema_prepare(sqlite3 *db, enum db_mode mode, const char *directory, struct error *err)
{
    int version = 0, rc = read_version(db, &version);
    add_functions(db);
    if (rc == SQLITE_OK && version > VERSION)
        return error_set(err, -EPROTONOSUPPORT,
                         "%s: made by a newer mxhook (schema %d, this one knows %d)", directory,
                         version, VERSION);
    if (rc == SQLITE_OK && version < VERSION && mode == DB_VISIT)
        return error_set(err, -EPROTONOSUPPORT,
                         "%s: made by an older mxhook (schema %d, this one needs %d): start "
                         "`mxhook run` once, which brings it up to date",
                         directory, version, VERSION);
    if (rc == SQLITE_OK && version < VERSION && mode == DB_SERVE)
        rc = migrate(db, version);
    if (rc == SQLITE_OK)
        return 0;
    bool damaged = (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
    return error_set(err, damaged ? -EBADMSG : -EIO, "%s: %s", directory, sqlite3_errmsg(db));
}
