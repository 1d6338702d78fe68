/* Which lanes have something due: by a walk over an index, now and then, and by what this node itself makes due. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/clock.h"
#include "values.h"
#include "postgres.h"

#define WALK_LANES 10000 /* in one walk, and known; the next goes on there */
#define WALK_MS    1000  /* between two walks, or WALK_SHARE times what the last one took */
#define WALK_SHARE 50

#define TEXT_OF(number) #number
#define LIMIT(number)   " LIMIT " TEXT_OF(number)

static void read_lanes(void *context, int number, PGresult *result)
{
    struct pg_store *s = context;
    int64_t now = clock_monotonic_ms();
    (void)number;
    int count = PQntuples(result);
    struct due_lane *lanes = malloc(((size_t)count + 1) * sizeof *lanes);
    if (!lanes)
        return;
    for (int i = 0; i < count; i++)
        lanes[i] = (struct due_lane){pg_number(result, i, 0), pg_number(result, i, 1),
                                     now + pg_number(result, i, 2), 0, false};
    free(s->lanes);
    s->lanes = lanes;
    s->lane_count = (size_t)count;
}

/* A loose index scan: one seek for each lane, however much waits in it. */
int pg_store_walk(struct pg_store *s)
{
    struct values params = {0};
    int64_t began = clock_monotonic_ms();
    if (began < s->walk_due_ms)
        return 0;
    values_number(&params, PARAM_INT8, s->walk_from);
    pg_begin(&s->pg);
    int code = values_send(
        &params, &s->pg,
        "WITH RECURSIVE o AS ((SELECT lane, origin, due FROM delivery WHERE due IS NOT NULL "
        "AND owner IS NULL AND lane >= $1 ORDER BY lane, due LIMIT 1) UNION ALL "
        "SELECT n.* FROM o, LATERAL (SELECT lane, origin, due FROM delivery WHERE due IS NOT NULL "
        "AND owner IS NULL AND lane > o.lane ORDER BY lane, due LIMIT 1) n) "
        "SELECT lane, origin, " FROM_NOW("due") " FROM o" LIMIT(WALK_LANES),
        false);
    if (code == 0)
        code = pg_end(&s->pg, PG_ANSWER_MS, read_lanes, s);
    if (code != 0)
        return code;
    int64_t now = clock_monotonic_ms(), pause = (now - began) * WALK_SHARE;
    s->walk_due_ms = now + (pause > WALK_MS ? pause : WALK_MS);
    bool whole = s->lane_count < WALK_LANES;
    int64_t last = whole ? INT64_MAX : s->lanes[s->lane_count - 1].lane;
    s->walk_from = last == INT64_MAX ? INT64_MIN : last + 1;
    return 0;
}

/* Where it is, or belongs. */
static size_t place_of(const struct pg_store *s, int64_t lane)
{
    size_t first = 0, end = s->lane_count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (s->lanes[middle].lane < lane)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

static bool is_at(const struct pg_store *s, size_t at, int64_t lane)
{
    return at < s->lane_count && s->lanes[at].lane == lane;
}

struct due_lane *pg_store_lane(const struct pg_store *s, int64_t lane)
{
    size_t at = place_of(s, lane);
    return is_at(s, at, lane) ? &s->lanes[at] : NULL;
}

void pg_store_note_due(struct pg_store *s, uint64_t origin, uint64_t lane, int64_t due_ms)
{
    size_t at = place_of(s, (int64_t)lane);
    if (is_at(s, at, (int64_t)lane)) {
        if (due_ms < s->lanes[at].due_ms)
            s->lanes[at].due_ms = due_ms;
        return;
    }
    if (s->lane_count >= WALK_LANES) /* the walk comes to it, in turn */
        return;
    struct due_lane *lanes = realloc(s->lanes, (s->lane_count + 1) * sizeof *lanes);
    if (!lanes) {
        s->walk_due_ms = 0;
        return;
    }
    memmove(lanes + at + 1, lanes + at, (s->lane_count - at) * sizeof *lanes);
    lanes[at] = (struct due_lane){(int64_t)lane, (int64_t)origin, due_ms, 0, false};
    s->lanes = lanes;
    s->lane_count++;
}
