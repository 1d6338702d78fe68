/* How the history is opened and closed, and its functions for others. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

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
static int prepare(struct pg_history *store, enum history_use use)
{
    bool there;
    int code = history_pg_connect(store);
    if (code == 0 && use == HISTORY_SERVE)
        code = history_pg_make_tables(store);
    if (use == HISTORY_SERVE)
        return code == -EAGAIN ? 0 : code;
    if (code == 0)
        code = history_pg_has_tables(store, &there);
    if (code != 0 || there)
        return code;
    snprintf(store->error, sizeof store->error, "the database has no history");
    return -ENOENT;
}

static int postgres_open(const struct spool_config *config, enum history_use use,
                         struct history_store **out, struct error *err)
{
    struct pg_history *store = calloc(1, sizeof *store);
    if (store)
        store->conninfo = strdup(config->postgres);
    if (!store || !store->conninfo) {
        free(store);
        return error_set(err, -ENOMEM, "out of memory");
    }
    store->pg.conninfo = store->conninfo;
    int code = prepare(store, use);
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
