/* What is held, for all nodes to see, and who may look whether it is better. */
#include "probe.h"

#include <errno.h>
#include <stdlib.h>

#include "../../base/clock.h"
#include "values.h"

#define PROBE_MS "60000" /* so long nobody else probes */

/* ---- Holds ---- */

static int send_hold(struct pg_store *s, const struct hold *hold)
{
    const struct held *held = &hold->held;
    struct values params = {0};
    values_number(&params, PARAM_INT8, (int64_t)hold->origin);
    values_number(&params, PARAM_INT8, (int64_t)hold->lane);
    if (held->until_ms == 0 && held->most == 0)
        return values_send(&params, &s->pg, "DELETE FROM held WHERE origin = $1 AND lane = $2",
                           false);
    values_text(&params, held->origin);
    values_number(&params, PARAM_INT8, held->until_ms - clock_unix_ms());
    values_number(&params, PARAM_INT4, held->most);
    values_number(&params, PARAM_INT4, held->failures);
    values_number(&params, PARAM_INT4, node_id(s->node));
    return values_send(
        &params, &s->pg,
        "INSERT INTO held (origin, lane, name, until, most, failures, node, pause) "
        "VALUES ($1, $2, $3, " NOW_MS " + $4, $5, $6, $7, greatest($4, 1)) "
        "ON CONFLICT (origin, lane) DO UPDATE SET name = $3, until = excluded.until, "
        "most = $5, failures = $6, node = $7, pause = excluded.pause, prober = NULL",
        false);
}

/* Others read it at their next beat: it is no harm where it cannot be written. */
void pg_store_hold(struct store *store, const struct hold *hold)
{
    struct pg_store *s = (struct pg_store *)store;
    leases_hold(&s->leases, hold);
    if (pg_store_connect(s) != 0)
        return;
    pg_begin(&s->pg);
    int code = send_hold(s, hold);
    if (code == 0)
        code = pg_end(&s->pg, PG_ANSWER_MS, NULL, NULL);
    if (code == -EINPROGRESS)
        pg_store_set_aside(s);
}

/* ---- Probes ---- */

static void add_place(struct values *places, const struct node_hold *hold)
{
    values_add_number(places, 0, hold->origin);
    values_add_number(places, 1, hold->lane);
}

struct winning {
    struct probe *probes;
    int count;
};

static void read_won(void *context, int number, PGresult *result)
{
    struct winning *w = context;
    (void)number;
    for (int i = 0; i < PQntuples(result); i++)
        for (int k = 0; k < w->count; k++)
            if (w->probes[k].hold.origin == pg_number(result, i, 0) &&
                w->probes[k].hold.lane == pg_number(result, i, 1))
                w->probes[k].won = true;
}

int probes_win(struct pg_store *s, struct probe *probes, int count)
{
    struct values params = {0};
    struct winning w = {probes, count};
    values_array(&params, PARAM_INT8);
    values_array(&params, PARAM_INT8);
    for (int i = 0; i < count; i++)
        add_place(&params, &probes[i].hold);
    values_number(&params, PARAM_INT4, node_id(s->node));
    pg_begin(&s->pg);
    int code = values_send(&params, &s->pg,
                           "WITH w AS (SELECT h.origin, h.lane FROM held h, unnest($1, $2) "
                           "u(origin, lane) WHERE h.origin = u.origin AND h.lane = u.lane "
                           "AND h.until <= " NOW_MS " FOR UPDATE OF h SKIP LOCKED) "
                           "UPDATE held h SET prober = $3, until = " NOW_MS " + " PROBE_MS
                           " FROM w WHERE h.origin = w.origin AND h.lane = w.lane "
                           "RETURNING h.origin, h.lane",
                           false);
    return code == 0 ? pg_end(&s->pg, PG_ANSWER_MS, read_won, &w) : code;
}

void probes_note(struct probe *probes, int count, struct delivery *delivery)
{
    struct stored *d = delivery->stored;
    for (int i = 0; i < count; i++) {
        struct probe *p = &probes[i];
        if (!p->won || p->used || p->hold.origin != (int64_t)d->origin || p->to != (int64_t)d->lane)
            continue;
        p->used = true;
        d->probe_ms = p->hold.pause_ms;
        d->probe_lane = p->hold.lane != 0;
        d->probe_failures = p->hold.failures;
        return;
    }
}

void probes_return(struct pg_store *s, const struct probe *probes, int count)
{
    struct values params = {0};
    bool any = false;
    values_array(&params, PARAM_INT8);
    values_array(&params, PARAM_INT8);
    for (int i = 0; i < count; i++)
        if (probes[i].won && !probes[i].used) {
            add_place(&params, &probes[i].hold);
            any = true;
        }
    values_number(&params, PARAM_INT4, node_id(s->node));
    pg_begin(&s->pg);
    if (any && values_send(&params, &s->pg, RETURN_PROBES, false) == 0)
        (void)pg_end(&s->pg, PG_ANSWER_MS, NULL, NULL);
    values_free(&params);
}
