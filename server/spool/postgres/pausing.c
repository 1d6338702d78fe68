/* What an operator has paused, for all nodes; and holds that one has ended. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../base/clock.h"
#include "holds.h"
#include "postgres.h"
#include "values.h"

struct reading {
    struct pauses *pauses;
    int code;
};

static void read_pauses(void *context, int number, PGresult *result)
{
    struct reading *reading = context;
    int64_t now = clock_unix_ms();
    (void)number;
    for (int i = 0; i < PQntuples(result) && reading->code == 0; i++) {
        struct pause pause = {.origin = (uint64_t)pg_number(result, i, 0),
                              .lane = (uint64_t)pg_number(result, i, 1),
                              .since_ms = now - pg_number(result, i, 4),
                              .waiting = pg_number(result, i, 5)};
        snprintf(pause.name, sizeof pause.name, "%s", PQgetvalue(result, i, 2));
        snprintf(pause.reason, sizeof pause.reason, "%s", PQgetvalue(result, i, 3));
        reading->code = pauses_add(reading->pauses, &pause);
    }
}

#define COLUMNS "SELECT p.origin, p.lane, p.name, p.reason, -" FROM_NOW("p.since") ", "
#define COUNT                                                                                      \
    "(SELECT count(*) FROM delivery d WHERE d.due IS NOT NULL AND d.origin = p.origin "            \
    "AND (p.lane = 0 OR d.lane = p.lane))"

int pg_store_pauses(struct store *store, bool counted, struct pauses *pauses)
{
    struct pg_store *s = (struct pg_store *)store;
    struct reading reading = {pauses, 0};
    struct values params = {0};
    int code = pg_store_connect(s);
    if (code != 0)
        return code;
    values_number(&params, PARAM_INT4, PAUSES_MAX);
    pg_begin(&s->pg);
    code = values_send(&params, &s->pg,
                       counted ? COLUMNS COUNT " FROM paused p ORDER BY 1, 2 LIMIT $1"
                               : COLUMNS "0 FROM paused p ORDER BY 1, 2 LIMIT $1",
                       false);
    if (code == 0)
        code = pg_end(&s->pg, PG_ANSWER_MS, read_pauses, &reading);
    if (code == -EINPROGRESS)
        pg_store_set_aside(s);
    return code == 0 ? reading.code : code;
}

int pg_store_pause(struct store *store, const struct pause *pause)
{
    struct pg_store *s = (struct pg_store *)store;
    struct values params = {0};
    values_number(&params, PARAM_INT8, (int64_t)pause->origin);
    values_number(&params, PARAM_INT8, (int64_t)pause->lane);
    values_text(&params, pause->name);
    values_text(&params, pause->reason);
    values_number(&params, PARAM_INT8, clock_unix_ms() - pause->since_ms);
    pg_begin(&s->pg);
    int code = values_send(&params, &s->pg,
                           "INSERT INTO paused (origin, lane, name, reason, since) "
                           "VALUES ($1, $2, $3, $4, " NOW_MS " - $5) "
                           "ON CONFLICT (origin, lane) DO UPDATE SET reason = $4",
                           false);
    return code == 0 ? pg_end(&s->pg, PG_ANSWER_MS, NULL, NULL) : code;
}

int pg_store_resume(struct store *store, uint64_t origin, uint64_t lane)
{
    struct pg_store *s = (struct pg_store *)store;
    struct values params = {0};
    int count = 0;
    values_number(&params, PARAM_INT8, (int64_t)origin);
    values_number(&params, PARAM_INT8, (int64_t)lane);
    pg_begin(&s->pg);
    int code =
        values_send(&params, &s->pg, "DELETE FROM paused WHERE origin = $1 AND lane = $2", false);
    if (code == 0)
        code = pg_end(&s->pg, PG_ANSWER_MS, pg_count, &count);
    return code == 0 && count == 0 ? -ENOENT : code;
}

/* What was passed over while it was paused may be due. */
void pg_store_heed(struct store *store, const struct pauses *pauses)
{
    struct pg_store *s = (struct pg_store *)store;
    s->leases.pauses = pauses;
    s->walk_due_ms = 0;
}

/* ---- Holds ---- */

#define SELECT_HELD "SELECT origin, lane, " FROM_NOW("until") ", failures FROM held WHERE "

struct reading_holds {
    int (*each)(void *context, const struct queue_hold *hold);
    void *context;
    int code;
};

static void read_holds(void *context, int number, PGresult *result)
{
    struct reading_holds *reading = context;
    int64_t now = clock_unix_ms();
    (void)number;
    for (int i = 0; i < PQntuples(result) && reading->code == 0; i++) {
        struct queue_hold hold = {(uint64_t)pg_number(result, i, 0),
                                  (uint64_t)pg_number(result, i, 1), now + pg_number(result, i, 2),
                                  (unsigned)pg_number(result, i, 3)};
        reading->code = reading->each(reading->context, &hold);
    }
}

int pg_store_holds(struct store *store, int (*each)(void *context, const struct queue_hold *hold),
                   void *context)
{
    struct pg_store *s = (struct pg_store *)store;
    struct reading_holds reading = {each, context, 0};
    pg_begin(&s->pg);
    pg_add(&s->pg, SELECT_HELD "until > " NOW_MS, 0, NULL, NULL, NULL, false);
    int code = pg_end(&s->pg, PG_ANSWER_MS, read_holds, &reading);
    return code == 0 ? reading.code : code;
}

int pg_store_probe(struct store *store, uint64_t origin, uint64_t lane)
{
    struct pg_store *s = (struct pg_store *)store;
    struct values params = {0};
    values_number(&params, PARAM_INT8, (int64_t)origin);
    values_number(&params, PARAM_INT8, (int64_t)lane);
    pg_begin(&s->pg);
    int code = values_send(&params, &s->pg,
                           "UPDATE held SET until = " NOW_MS " WHERE origin = $1 AND lane = $2 "
                           "AND until > " NOW_MS,
                           false);
    return code == 0 ? pg_end(&s->pg, PG_ANSWER_MS, NULL, NULL) : code;
}

struct probing {
    struct pg_store *store;
    void (*each)(void *context, uint64_t origin, uint64_t lane);
    void *context;
};

static int note_probe(void *context, const struct queue_hold *hold)
{
    struct probing *probing = context;
    if (leases_probe(&probing->store->leases, hold->origin, hold->lane, clock_unix_ms())) {
        probing->store->walk_due_ms = 0;
        probing->each(probing->context, hold->origin, hold->lane);
    }
    return 0;
}

void pg_store_probes(struct store *store,
                     void (*each)(void *context, uint64_t origin, uint64_t lane), void *context)
{
    struct pg_store *s = (struct pg_store *)store;
    struct probing probing = {s, each, context};
    struct reading_holds reading = {note_probe, &probing, 0};
    struct values params = {0};
    if (!holds_any_of(node_holds(s->node), node_id(s->node)) || pg_store_connect(s) != 0)
        return;
    values_number(&params, PARAM_INT4, node_id(s->node));
    pg_begin(&s->pg);
    int code = values_send(&params, &s->pg, SELECT_HELD "node = $1 AND until <= " NOW_MS, false);
    if (code == 0)
        code = pg_end(&s->pg, PG_ANSWER_MS, read_holds, &reading);
    if (code == -EINPROGRESS)
        pg_store_set_aside(s);
}
