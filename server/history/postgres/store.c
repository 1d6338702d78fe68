#include "store.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int note(struct pg_history *store, int code)
{
    if (code != 0)
        snprintf(store->error, sizeof store->error, "spool.postgres: %s", store->pg.error);
    return code == -EINPROGRESS || code == -EDEADLK ? -EAGAIN : code;
}

int history_pg_connect(struct pg_history *store)
{
    if (store->pg.connection && !pg_is_outdated(&store->pg))
        return 0;
    pg_close(&store->pg);
    store->day = 0;
    return note(store, pg_open(&store->pg));
}

int history_pg_end(struct pg_history *store,
                   void (*each)(void *context, int number, PGresult *result), void *context)
{
    return note(store, pg_end(&store->pg, PG_ANSWER_MS, each, context));
}

int history_pg_run(struct pg_history *store, const char *sql,
                   void (*each)(void *context, int number, PGresult *result), void *context)
{
    pg_begin(&store->pg);
    pg_add(&store->pg, sql, 0, NULL, NULL, NULL, false);
    return history_pg_end(store, each, context);
}

int64_t history_pg_int8(const PGresult *result, int row, int column)
{
    uint64_t big = 0;
    if (PQgetlength(result, row, column) == sizeof big)
        memcpy(&big, PQgetvalue(result, row, column), sizeof big);
    return (int64_t)be64toh(big);
}

static void postgres_close(struct history_store *opened)
{
    struct pg_history *store = (struct pg_history *)opened;
    if (!store)
        return;
    pg_close(&store->pg);
    free(store->conninfo);
    free(store);
}

/* A database that is away now will be there later: then the tables are made with the first batch. */
static int prepare(struct pg_history *store, bool write)
{
    bool there;
    int code = history_pg_connect(store);
    if (code == 0 && write)
        code = history_pg_make_tables(store);
    if (write)
        return code == -EAGAIN ? 0 : code;
    if (code == 0)
        code = history_pg_has_tables(store, &there);
    if (code != 0 || there)
        return code;
    snprintf(store->error, sizeof store->error, "the database has no history");
    return -ENOENT;
}

static int postgres_open(const struct spool_config *config, bool write, struct history_store **out,
                         struct error *err)
{
    struct pg_history *store = calloc(1, sizeof *store);
    if (store)
        store->conninfo = strdup(config->postgres);
    if (!store || !store->conninfo) {
        free(store);
        return error_set(err, -ENOMEM, "out of memory");
    }
    store->pg.conninfo = store->conninfo;
    int code = prepare(store, write);
    if (code == 0) {
        *out = (struct history_store *)store;
        return 0;
    }
    error_set(err, code, "%s", store->error);
    postgres_close((struct history_store *)store);
    return code;
}

static const char *postgres_error(struct history_store *store)
{
    return ((struct pg_history *)store)->error;
}

const struct history_ops history_postgres = {.name = "postgres",
                                             .open = postgres_open,
                                             .close = postgres_close,
                                             .write = history_pg_write,
                                             .tidy = history_pg_tidy,
                                             .size = history_pg_size,
                                             .error = postgres_error,
                                             .list = history_pg_list,
                                             .attempts = history_pg_attempts,
                                             .answers = history_pg_answers,
                                             .body = history_pg_body};
