/* How statements are run, and what becomes of their errors. */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store.h"

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
