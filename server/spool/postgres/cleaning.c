#include "cleaning.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "../../base/clock.h"
#include "../../base/log.h"
#include "../../base/metrics.h"
#include "../../base/task.h"
#include "pg.h"
#include "values.h"

#define LOOK_MS   60000
#define VACUUM_MS 1000 /* between two looks whether it has ended */

struct cleaning {
    struct pg pg;
    const struct node *node;
    _Atomic int64_t old_ms;
    uv_thread_t thread;
    uv_mutex_t mutex; /* guards stopping */
    uv_cond_t wake;
    bool stopping;
    bool refused; /* this role may not vacuum: said once */
    int warned;   /* the process whose transaction was warned of */
};

/* True: it is to end. */
static bool wait_ms(struct cleaning *u, int64_t ms)
{
    uv_mutex_lock(&u->mutex);
    if (!u->stopping)
        uv_cond_timedwait(&u->wake, &u->mutex, (uint64_t)ms * 1000000);
    bool stopping = u->stopping;
    uv_mutex_unlock(&u->mutex);
    return stopping;
}

struct look {
    bool mine; /* the smallest number is this node's */
    int pid;
    int64_t open_ms;
    char who[128], table[64];
};

static void read_look(void *context, int number, PGresult *result)
{
    struct look *look = context;
    if (PQntuples(result) == 0)
        return;
    if (number == 0) {
        look->mine = *PQgetvalue(result, 0, 0) == 't';
    } else if (number == 1) {
        look->pid = (int)pg_number(result, 0, 0);
        look->open_ms = pg_number(result, 0, 1);
        snprintf(look->who, sizeof look->who, "%s", PQgetvalue(result, 0, 2));
    } else {
        snprintf(look->table, sizeof look->table, "%s", PQgetvalue(result, 0, 0));
    }
}

/* Roles see when others' transactions began only with pg_read_all_stats. */
static int look_around(struct cleaning *u, struct look *look)
{
    struct values params = {0};
    values_number(&params, PARAM_INT4, node_id(u->node));
    pg_begin(&u->pg);
    int code = values_send(&params, &u->pg, "SELECT min(id) = $1 FROM node", false);
    pg_add(&u->pg,
           "SELECT pid, (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::int8, "
           "usename || ' ' || application_name FROM pg_stat_activity "
           "WHERE datname = current_database() AND backend_type = 'client backend' "
           "AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND pid <> pg_backend_pid() "
           "AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1",
           0, NULL, NULL, NULL, false);
    pg_add(&u->pg,
           "SELECT relname FROM pg_stat_user_tables WHERE relid = ANY(ARRAY['delivery', 'payload', "
           "'tail', 'chunk', 'attempt']::regclass[]) AND n_dead_tup > 50000 "
           "AND n_dead_tup > n_live_tup "
           "AND coalesce(greatest(last_autovacuum, last_vacuum), '-infinity') < "
           "clock_timestamp() - interval '2 minutes' ORDER BY n_dead_tup DESC LIMIT 1",
           0, NULL, NULL, NULL, false);
    return code == 0 ? pg_end(&u->pg, PG_ANSWER_MS, read_look, look) : code;
}

static void warn_of_old(struct cleaning *u, const struct look *look)
{
    bool old = look->open_ms > atomic_load(&u->old_ms);
    metric_set(METRIC_SPOOL_OLDEST_TRANSACTION, (double)look->open_ms / 1000);
    if (old && u->warned != look->pid)
        log_warn("spool-old-transaction", NULL, LOG_NUMBER("pid", look->pid),
                 LOG_TEXT("who", look->who), LOG_NUMBER("open_ms", look->open_ms),
                 LOG_TEXT("error", "what was deleted since it began cannot be cleared away"));
    u->warned = old ? look->pid : 0;
}

/* It takes as long as it takes; where this ends before, the server goes on with it. */
static void vacuum(struct cleaning *u, const char *table)
{
    char sql[128];
    int64_t began = clock_monotonic_ms();
    snprintf(sql, sizeof sql, "VACUUM (TRUNCATE false) %s", table);
    pg_begin(&u->pg);
    pg_add(&u->pg, sql, 0, NULL, NULL, NULL, false);
    int code = pg_end(&u->pg, VACUUM_MS, NULL, NULL);
    bool refused = code == -EINPROGRESS && u->pg.warned;
    while (u->pg.connection && u->pg.unanswered && !pg_drain(&u->pg))
        if (wait_ms(u, VACUUM_MS))
            return;
    if (refused && !u->refused)
        log_warn("spool-not-vacuumed", NULL, LOG_TEXT("table", table),
                 LOG_TEXT("error", "the role may not vacuum it, and the autovacuum does not come"));
    else if (!refused && u->pg.connection)
        log_info("spool-vacuumed", NULL, LOG_TEXT("table", table),
                 LOG_NUMBER("ms", clock_monotonic_ms() - began));
    u->refused |= refused;
}

static void cleaning_main(void *argument)
{
    struct cleaning *u = argument;
    task_name_thread("mxhook-cleaning");
    for (;;) {
        int64_t pause = atomic_load(&u->old_ms) / 2;
        if (wait_ms(u, pause < LOOK_MS ? pause : LOOK_MS))
            break;
        struct look look = {0};
        if (pg_open(&u->pg) == 0 && look_around(u, &look) == 0 && look.mine) {
            warn_of_old(u, &look);
            if (*look.table)
                vacuum(u, look.table);
        }
        pg_close(&u->pg);
    }
    pg_close(&u->pg);
}

int cleaning_start(const char *conninfo, const struct node *node, int64_t old_ms,
                   struct cleaning **out, struct error *err)
{
    struct cleaning *u = calloc(1, sizeof *u);
    if (!u)
        return error_set(err, -ENOMEM, "spool: out of memory");
    u->pg.conninfo = conninfo;
    u->node = node;
    u->old_ms = old_ms;
    uv_mutex_init(&u->mutex);
    uv_cond_init(&u->wake);
    int code = uv_thread_create(&u->thread, cleaning_main, u);
    if (code != 0) {
        uv_cond_destroy(&u->wake);
        uv_mutex_destroy(&u->mutex);
        free(u);
        return error_set(err, code, "spool: no thread: %s", uv_strerror(code));
    }
    *out = u;
    return 0;
}

void cleaning_configure(struct cleaning *u, int64_t old_ms)
{
    atomic_store(&u->old_ms, old_ms);
}

void cleaning_stop(struct cleaning *u)
{
    if (!u)
        return;
    uv_mutex_lock(&u->mutex);
    u->stopping = true;
    uv_cond_signal(&u->wake);
    uv_mutex_unlock(&u->mutex);
    uv_thread_join(&u->thread);
    uv_cond_destroy(&u->wake);
    uv_mutex_destroy(&u->mutex);
    free(u);
}
