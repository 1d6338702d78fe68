/*
 * The tables, and how each version came from the one before. A migration that has been released is
 * never edited: the next one is added below it, and only adds; what it makes superfluous is removed
 * a release later, when `oldest` says that nobody needs it.
 *
 * Rows are numbered by the nodes, from row_block in blocks of 1,000, so that a group can be sent
 * again with the same rows. As in SQLite a payload has the row of its first delivery, a tail that
 * of its first payload, and `last` that of the last one.
 */
#include "schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOCK_TRIES 30

/* What changes all the time must not wait for the autovacuum of the defaults, and must not be cut
 * off at its end by it, which takes an exclusive lock. */
#define VACUUM_OFTEN                                                                               \
    "vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0.02, "                               \
    "autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0"
#define TOAST_OFTEN                                                                                \
    "toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_cost_delay = 0, "        \
    "toast.vacuum_truncate = off"

static const char *const first[] = {
    /* version: of the schema; oldest: the oldest PROGRAM that may still work with it */
    "CREATE TABLE meta (version integer NOT NULL, oldest integer NOT NULL)",
    /* id: a new one at every start and whenever the node finds itself declared dead */
    "CREATE TABLE node (id integer PRIMARY KEY, name text NOT NULL, program integer NOT NULL, "
    "version text NOT NULL, beat bigint NOT NULL DEFAULT 0) WITH (fillfactor = 10)",
    "CREATE SEQUENCE node_id AS integer",
    "CREATE SEQUENCE row_block INCREMENT 1000",
    /* What a node writes so that a group that is sent again has something to commit. */
    "CREATE TABLE mark (node integer PRIMARY KEY, n bigint NOT NULL) WITH (fillfactor = 10)",
    /* bytes: NULL where they stand in `chunk`. Inline up to 8,160 bytes, out of line above, never
     * compressed: that costs more than it saves. */
    "CREATE TABLE payload (row bigint PRIMARY KEY, last bigint NOT NULL, tail bigint, "
    "size bigint NOT NULL, bytes bytea) WITH (toast_tuple_target = 8160, " VACUUM_OFTEN
    ", " TOAST_OFTEN ")",
    "ALTER TABLE payload ALTER bytes SET STORAGE EXTERNAL",
    "CREATE TABLE tail (row bigint PRIMARY KEY, last bigint NOT NULL, size bigint NOT NULL, "
    "bytes bytea) WITH (toast_tuple_target = 8160, " VACUUM_OFTEN ", " TOAST_OFTEN ")",
    "ALTER TABLE tail ALTER bytes SET STORAGE EXTERNAL",
    /* Large ones, 64 KiB a row. blob: the payload's row, or the tail's below zero. */
    "CREATE TABLE chunk (blob bigint NOT NULL, n integer NOT NULL, bytes bytea NOT NULL, "
    "PRIMARY KEY (blob, n)) WITH (vacuum_truncate = off)",
    "ALTER TABLE chunk ALTER bytes SET STORAGE EXTERNAL",
    /* Blobs that no payload or tail names yet. */
    "CREATE TABLE staged (blob bigint PRIMARY KEY, owner integer NOT NULL)",
    /* due, created: ms of the database's clock; due is NULL for what has failed. owner: the node
     * that has it in hand. Texts are in LATIN1 a byte a character (pg.h). */
    "CREATE TABLE delivery (row bigint PRIMARY KEY, payload bigint NOT NULL, "
    "origin bigint NOT NULL, lane bigint NOT NULL, due bigint, created bigint NOT NULL, "
    "owner integer, attempts integer NOT NULL, timeout_ms bigint NOT NULL, "
    "attempts_max integer NOT NULL, last_status integer NOT NULL, id text NOT NULL, "
    "url text NOT NULL, secret text, headers text, sender text NOT NULL, recipient text NOT NULL, "
    "last_error text, schedule text, ca_file text, client_cert text, client_key text, "
    "mail_from text, via text, about text) WITH (fillfactor = 80, " VACUUM_OFTEN ")",
    "CREATE INDEX delivery_due ON delivery (lane, due) INCLUDE (origin) "
    "WHERE due IS NOT NULL AND owner IS NULL",
    "CREATE INDEX delivery_hand ON delivery (owner, row) WHERE owner IS NOT NULL",
    "CREATE INDEX delivery_id ON delivery (id)",
    "CREATE INDEX delivery_failed ON delivery (created) WHERE due IS NULL",
    "CREATE TABLE attempt (delivery bigint NOT NULL, at bigint NOT NULL, ms bigint NOT NULL, "
    "status integer NOT NULL, error text NOT NULL, reply bytea, PRIMARY KEY (delivery, at)) "
    "WITH (vacuum_truncate = off)",
    /* Origins (lane 0) and lanes that a node holds back; most: deliveries at once after that. */
    "CREATE TABLE held (origin bigint NOT NULL, lane bigint NOT NULL, name text NOT NULL, "
    "until bigint NOT NULL, most integer NOT NULL, failures integer NOT NULL, "
    "node integer NOT NULL, prober integer, PRIMARY KEY (origin, lane)) WITH (fillfactor = 50)",
    "CREATE TABLE secret (name text PRIMARY KEY, value text NOT NULL)",
    NULL,
};

static const char *const second[] = {
    /* A destination's own limits, 0: none. rate: requests a second; max_body: bytes. */
    "ALTER TABLE delivery ADD rate double precision NOT NULL DEFAULT 0, "
    "ADD max_in_flight bigint NOT NULL DEFAULT 0, ADD max_body bigint NOT NULL DEFAULT 0",
    /* What an operator has paused; lane 0: all of the origin. since: as delivery.due. */
    "CREATE TABLE paused (origin bigint NOT NULL, lane bigint NOT NULL, name text NOT NULL, "
    "reason text NOT NULL, since bigint NOT NULL, PRIMARY KEY (origin, lane))",
    NULL,
};

static const char *const third[] = {
    /* pause: that the next one doubles. prober: who has won the probe, until `until`. */
    "ALTER TABLE held ADD pause bigint NOT NULL DEFAULT 5000",
    NULL,
};

static const char *const *const migrations[] = {first, second, third};

#define VERSION ((int)(sizeof migrations / sizeof *migrations))

/* ---- Reading ---- */

struct meta {
    int version, oldest;
    int rows; /* one, where nobody has tampered with it */
};

static void read_meta(void *context, int number, PGresult *result)
{
    struct meta *meta = context;
    (void)number;
    meta->rows = PQntuples(result);
    if (meta->rows == 0)
        return;
    meta->version = (int)pg_number(result, 0, 0);
    meta->oldest = (int)pg_number(result, 0, 1);
}

/* Version 0: there is none. */
static int load_meta(struct pg *pg, struct meta *meta)
{
    *meta = (struct meta){0};
    pg_begin(pg);
    pg_add(pg, "SELECT version, oldest FROM meta", 0, NULL, NULL, NULL, false);
    int code = pg_end(pg, PG_ANSWER_MS, read_meta, meta);
    if (code == -EINVAL && strcmp(pg->state, "42P01") == 0)
        return 0;
    if (code == 0 && meta->rows != 1) {
        snprintf(pg->error, sizeof pg->error, "table meta has %d rows, and must have one",
                 meta->rows);
        return -EINVAL;
    }
    return code;
}

static int tell(struct pg *pg, int code, struct error *err)
{
    return error_set(err, code, "spool.postgres: %s", pg->error);
}

int schema_check(struct pg *pg, struct error *err)
{
    struct meta meta;
    int code = load_meta(pg, &meta);
    if (code != 0)
        return tell(pg, code, err);
    if (meta.version == 0)
        return error_set(
            err, -ENOENT,
            "spool.postgres: there are no tables of mxhook in this role's search_path: run `mxhook "
            "store migrate`, or set spool.migrate = true");
    if (meta.version < VERSION)
        return error_set(err, -EPROTONOSUPPORT,
                         "spool.postgres: made by an older mxhook (schema %d, this one needs %d): "
                         "run `mxhook store migrate`, or set spool.migrate = true",
                         meta.version, VERSION);
    if (meta.oldest > PROGRAM)
        return error_set(err, -EPROTONOSUPPORT,
                         "spool.postgres: made by a newer mxhook, for which this one is too old "
                         "(schema %d, this one knows %d)",
                         meta.version, VERSION);
    return 0;
}

/* ---- Migrating ---- */

static int migrate_from(struct pg *pg, int version)
{
    char sql[120];
    pg_begin(pg);
    /* The role's time limits are for what a node does; which of them there are differs by version. */
    pg_add(pg,
           "SELECT set_config(name, CASE name WHEN 'lock_timeout' THEN '2s' ELSE '0' END, true) "
           "FROM pg_settings "
           "WHERE name IN ('lock_timeout', 'statement_timeout', 'transaction_timeout')",
           0, NULL, NULL, NULL, false);
    pg_add(pg, "SELECT pg_advisory_xact_lock(7885350)", 0, NULL, NULL, NULL, false);
    for (int v = version; v < VERSION; v++)
        for (const char *const *statement = migrations[v]; *statement; statement++)
            pg_add(pg, *statement, 0, NULL, NULL, NULL, false);
    /* Another one that was faster makes this fail: then all of it is undone. */
    snprintf(sql, sizeof sql,
             version ? "UPDATE meta SET version = %d / (version = %d)::int"
                     : "INSERT INTO meta (version, oldest) VALUES (%d, 1)",
             VERSION, version);
    pg_add(pg, sql, 0, NULL, NULL, NULL, false);
    return pg_end(pg, 10 * 60 * 1000, NULL, NULL);
}

int schema_migrate(struct pg *pg, struct error *err)
{
    struct meta meta;
    struct error why = {""};
    int done = 0, code = load_meta(pg, &meta);
    for (int i = 0; i < LOCK_TRIES && code == 0 && meta.version < VERSION; i++) {
        done = migrate_from(pg, meta.version);
        error_set(&why, 0, "%s", pg->error);
        if (done != 0 && pg->connection && strcmp(pg->state, "42501") == 0)
            return error_set(err, done,
                             "spool.postgres: %s: the role that migrates must own the schema",
                             why.text);
        if (done == -EAGAIN || done == -EINPROGRESS)
            code = pg_open(pg);
        if (code == 0)
            code = load_meta(pg, &meta);
        if (code == 0 && meta.version < VERSION && done != 0 && done != -EDEADLK && i >= 3)
            break;
    }
    if (code == 0 && done != 0 && meta.version < VERSION)
        return error_set(err, done, "spool.postgres: the tables cannot be made: %s", why.text);
    return code == 0 ? schema_check(pg, err) : tell(pg, code, err);
}
