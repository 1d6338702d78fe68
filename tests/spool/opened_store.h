/* opened_store.h - a store in SQLite beside a bench, opened as a server opens it, whose functions a test calls itself. */
#ifndef MXHOOK_TESTS_SPOOL_OPENED_STORE_H
#define MXHOOK_TESTS_SPOOL_OPENED_STORE_H

#include "bench.h"

#include "spool/sqlite/sqlite.h"

static inline struct sqlite_store *open_store(struct bench *bench)
{
    struct store *store;
    struct error err;
    if (sqlite_ops.open(&bench->config, &store, &err) != 0)
        fail_msg("%s", err.text);
    return (struct sqlite_store *)store;
}

static inline void close_store(struct sqlite_store *s)
{
    sqlite_ops.close(&s->store);
}

#endif
