/* The tables, a day's partitions, and their end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../base/clock.h"
#include "store.h"

/* Nodes that start, or see a new day, at once make them one after the other. */
#define LOCK                                                                                       \
    "SELECT set_config('lock_timeout', '2s', true),"                                               \
    " set_config('client_min_messages', 'error', true), " NO_WAIT                                  \
    ", pg_advisory_xact_lock(7885351)"

#define DAYS_MAX 4000

static const char *const tables[] = {"segments", "attempts", "bodies"};

#define TABLE_COUNT (sizeof tables / sizeof *tables)

/* All are there where the last column is, and none of them harms those that are: an older version's are brought up to
 * date, and what is added does no harm to one. */
#define LAST_COLUMN "marks"
#define IS_ALL_THERE                                                                               \
    "SELECT (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('" TABLES "segments')"        \
    " AND attname = '" LAST_COLUMN "')"

static const char *const statements[] = {
    "CREATE SEQUENCE IF NOT EXISTS " TABLES "row INCREMENT 1024",
    "CREATE SEQUENCE IF NOT EXISTS " TABLES "body_row",
    /* day: since 1970, UTC, of when it was written. Ids are compared as bytes, as elsewhere. */
    "CREATE TABLE IF NOT EXISTS " TABLES "segments (day integer NOT NULL, row bigint NOT NULL,"
    " first_ms bigint NOT NULL, last_ms bigint NOT NULL, first_id text COLLATE \"C\" NOT NULL,"
    " last_id text COLLATE \"C\" NOT NULL, count bigint NOT NULL, terms bytea NOT NULL,"
    " records bytea NOT NULL, subjects bytea, PRIMARY KEY (row, day)) PARTITION BY LIST (day)",
    "ALTER TABLE " TABLES "segments ALTER terms SET STORAGE EXTERNAL,"
    " ALTER subjects SET STORAGE EXTERNAL",
    "CREATE SEQUENCE IF NOT EXISTS " TABLES "attempt_place",
    /* Of its message's day. body: a row of the table of bodies; 0: none. place: in the order in which attempts at a
     * delivery come; neither their time nor their number differs always. */
    "CREATE TABLE IF NOT EXISTS " TABLES "attempts (day integer NOT NULL, message bigint NOT NULL,"
    " delivery bigint NOT NULL, at_ms bigint NOT NULL, number bigint NOT NULL, ms bigint NOT NULL,"
    " state bigint NOT NULL, status bigint NOT NULL, error text, reply text, target text,"
    " body bigint NOT NULL, place bigint NOT NULL DEFAULT nextval('" TABLES "attempt_place'),"
    " action bigint NOT NULL DEFAULT 0, PRIMARY KEY (message, delivery, place, day))"
    " PARTITION BY LIST (day)",
    "ALTER TABLE " TABLES "attempts"
    " ADD COLUMN IF NOT EXISTS place bigint NOT NULL DEFAULT nextval('" TABLES "attempt_place'),"
    " ADD COLUMN IF NOT EXISTS action bigint NOT NULL DEFAULT 0",
    "DO 'BEGIN IF EXISTS (SELECT FROM pg_index WHERE indrelid = ''" TABLES
    "attempts''::regclass AND"
    " indisprimary AND indnkeyatts = 5) THEN ALTER TABLE " TABLES "attempts DROP CONSTRAINT"
    " attempts_pkey, ADD PRIMARY KEY (message, delivery, place, day); END IF; END'",
    "CREATE TABLE IF NOT EXISTS " TABLES "bodies (day integer NOT NULL, row bigint NOT NULL,"
    " bytes bytea NOT NULL, PRIMARY KEY (row, day)) PARTITION BY LIST (day)",
    /* Puts each value where it belongs in a segment's terms: under the row's lock, so that two nodes that change one
     * segment lose nothing. */
    "CREATE OR REPLACE FUNCTION " TABLES "patch(terms bytea, places bigint[], terms_new bytea[])"
    " RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS 'BEGIN FOR i IN 1 .. cardinality(places) LOOP"
    " terms := overlay(terms PLACING terms_new[i] FROM places[i]::integer + 1);"
    " END LOOP; RETURN terms; END'",
    "CREATE UNLOGGED TABLE IF NOT EXISTS " TABLES "origins (origin bigint PRIMARY KEY,"
    " at_ms bigint NOT NULL, status bigint NOT NULL, error text, answered bigint NOT NULL,"
    " mean_ms float8 NOT NULL)",
    /* store.h tells of both. Out of line and as they are: an update leaves the keys where they stand. */
    "ALTER TABLE " TABLES "segments ADD COLUMN IF NOT EXISTS keys bytea,"
    " ADD COLUMN IF NOT EXISTS " LAST_COLUMN " text COLLATE \"C\"",
    "ALTER TABLE " TABLES "segments ALTER keys SET STORAGE EXTERNAL",
    /* Of days that are still to come. Records are read whole for a single message, and packed as they are written:
     * PostgreSQL's own way takes several times as long; a server may have been built without the other one. */
    "DO 'BEGIN ALTER TABLE " TABLES "segments ALTER records SET COMPRESSION lz4;"
    " EXCEPTION WHEN feature_not_supported THEN NULL; END'",
    "CREATE OR REPLACE FUNCTION " TABLES "forget_marks() RETURNS trigger LANGUAGE plpgsql"
    " AS 'BEGIN NEW.marks := NULL; RETURN NEW; END'",
    "CREATE OR REPLACE TRIGGER forget_marks BEFORE UPDATE OF terms ON " TABLES "segments"
    " FOR EACH ROW EXECUTE FUNCTION " TABLES "forget_marks()",
};

static void read_there(void *context, int number, PGresult *result)
{
    (void)number;
    *(bool *)context = PQntuples(result) == 1 && !PQgetisnull(result, 0, 0);
}

static int is_there(struct pg_history *store, const char *table, bool *there)
{
    char sql[240];
    *there = false;
    snprintf(sql, sizeof sql, "SELECT to_regclass('%s')", table);
    return history_pg_run(store, sql, read_there, there);
}

int history_pg_has_tables(struct pg_history *store, bool *there)
{
    *there = false;
    return history_pg_run(store, IS_ALL_THERE, read_there, there);
}

int history_pg_make_tables(struct pg_history *store)
{
    bool there, has_schema;
    int code = history_pg_has_tables(store, &there);
    if (code != 0 || there)
        return code;
    /* To make one that is there needs more rights than to see it. */
    code = history_pg_run(store, "SELECT to_regnamespace('" SCHEMA "')", read_there, &has_schema);
    if (code != 0)
        return code;
    pg_begin(&store->pg);
    pg_add(&store->pg, LOCK, 0, NULL, NULL, NULL, false);
    if (!has_schema)
        pg_add(&store->pg, "CREATE SCHEMA IF NOT EXISTS " SCHEMA, 0, NULL, NULL, NULL, false);
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        pg_add(&store->pg, statements[i], 0, NULL, NULL, NULL, false);
    return history_pg_end(store, NULL, NULL);
}

int history_pg_make_day(struct pg_history *store, int64_t day)
{
    char sql[200];
    bool there;
    if (store->day == day)
        return 0;
    int code = history_pg_make_tables(store);
    if (code != 0)
        return code;
    snprintf(sql, sizeof sql, TABLES "%s_%lld", tables[TABLE_COUNT - 1], (long long)day);
    code = is_there(store, sql, &there);
    if (code != 0)
        return code;
    pg_begin(&store->pg);
    pg_add(&store->pg, LOCK, 0, NULL, NULL, NULL, false);
    for (size_t i = 0; i < TABLE_COUNT && !there; i++) {
        snprintf(sql, sizeof sql,
                 "CREATE UNLOGGED TABLE IF NOT EXISTS " TABLES "%s_%lld PARTITION OF " TABLES
                 "%s FOR VALUES IN (%lld)",
                 tables[i], (long long)day, tables[i], (long long)day);
        pg_add(&store->pg, sql, 0, NULL, NULL, NULL, false);
    }
    code = history_pg_end(store, NULL, NULL);
    if (code == 0)
        store->day = day;
    return code;
}

/* ---- How much there is, and what goes ---- */

struct days {
    int64_t day[DAYS_MAX], bytes[DAYS_MAX];
    int count;
};

static void read_days(void *context, int number, PGresult *result)
{
    struct days *days = context;
    (void)number;
    for (int i = 0; i < PQntuples(result) && days->count < DAYS_MAX; i++) {
        days->day[days->count] = pg_number(result, i, 0);
        days->bytes[days->count++] = pg_number(result, i, 1);
    }
}

/* The oldest first. */
static int list_days(struct pg_history *store, struct days *days)
{
    days->count = 0;
    return history_pg_run(
        store,
        "SELECT substring(c.relname FROM '[0-9]+$')::bigint, sum(pg_total_relation_size(c.oid))"
        " FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent IN"
        " ('" TABLES "segments'::regclass, '" TABLES "attempts'::regclass, '" TABLES
        "bodies'::regclass) GROUP BY 1 ORDER BY 1",
        read_days, days);
}

static int drop_day(struct pg_history *store, int64_t day)
{
    pg_begin(&store->pg);
    pg_add(&store->pg, LOCK, 0, NULL, NULL, NULL, false);
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        char sql[100];
        snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS " TABLES "%s_%lld", tables[i],
                 (long long)day);
        pg_add(&store->pg, sql, 0, NULL, NULL, NULL, false);
    }
    if (store->day == day)
        store->day = 0;
    return history_pg_end(store, NULL, NULL);
}

static int drop_days(struct pg_history *store, const struct days *days, int64_t keep_from,
                     uint64_t max_size)
{
    uint64_t bytes = 0;
    int code = 0;
    for (int i = 0; i < days->count; i++)
        bytes += (uint64_t)days->bytes[i];
    for (int i = 0; i < days->count && code == 0; i++) {
        if ((days->day[i] + 1) * DAY_MS > keep_from && bytes <= max_size)
            break;
        code = drop_day(store, days->day[i]);
        bytes -= (uint64_t)days->bytes[i];
    }
    return code;
}

static int remove_origins(struct pg_history *store, int64_t keep_from)
{
    char sql[100];
    snprintf(sql, sizeof sql, "DELETE FROM " TABLES "origins WHERE at_ms < %lld",
             (long long)keep_from);
    return history_pg_run(store, sql, NULL, NULL);
}

int history_pg_tidy(struct history_store *opened, int64_t keep_ms, uint64_t max_size, bool *more)
{
    struct pg_history *store = (struct pg_history *)opened;
    int64_t keep_from = clock_unix_ms() - keep_ms;
    struct days *days = malloc(sizeof *days);
    *more = false;
    if (!days)
        return -ENOMEM;
    int code = history_pg_connect(store);
    if (code == 0)
        code = list_days(store, days);
    if (code == 0)
        code = drop_days(store, days, keep_from, max_size);
    if (code == 0)
        code = remove_origins(store, keep_from);
    free(days);
    return code;
}

static void read_size(void *context, int number, PGresult *result)
{
    struct history_size *size = context;
    (void)number;
    if (PQntuples(result) != 1)
        return;
    size->messages = pg_number(result, 0, 0);
    size->oldest_ms = pg_number(result, 0, 1);
}

int history_pg_size(struct history_store *opened, struct history_size *size)
{
    struct pg_history *store = (struct pg_history *)opened;
    struct days *days = malloc(sizeof *days);
    *size = (struct history_size){0};
    if (!days)
        return -ENOMEM;
    int code = history_pg_connect(store);
    if (code == 0)
        code = list_days(store, days);
    for (int i = 0; code == 0 && i < days->count; i++)
        size->bytes += days->bytes[i];
    free(days);
    if (code == 0)
        code = history_pg_run(store, "SELECT sum(count), min(first_ms) FROM " TABLES "segments",
                              read_size, size);
    return code;
}
