#include "holds.h"

#include <stdlib.h>
#include <string.h>

#include "../../base/clock.h"
#include "pg.h"

int holds_init(struct holds *holds)
{
    return uv_mutex_init(&holds->mutex);
}

void holds_destroy(struct holds *holds)
{
    uv_mutex_destroy(&holds->mutex);
    free(holds->list);
}

/* ---- In ---- */

static void read_hold(struct node_hold *hold, const PGresult *result, int row)
{
    *hold = (struct node_hold){.origin = pg_number(result, row, 1),
                               .lane = pg_number(result, row, 2),
                               .until_ms = clock_monotonic_ms() + pg_number(result, row, 3),
                               .pause_ms = pg_number(result, row, 4),
                               .failures = (unsigned)pg_number(result, row, 5),
                               .node = (int)pg_number(result, row, 6),
                               .prober = (int)pg_number(result, row, 7)};
}

void holds_read(struct holds *holds, const PGresult *result, int first)
{
    int count = PQntuples(result) - first;
    struct node_hold *list = count > 0 ? malloc((size_t)count * sizeof *list) : NULL;
    for (int i = 0; list && i < count; i++)
        read_hold(&list[i], result, first + i);
    uv_mutex_lock(&holds->mutex);
    free(holds->list);
    holds->list = list;
    holds->count = list ? count : 0;
    uv_mutex_unlock(&holds->mutex);
}

void holds_set_ids(struct holds *holds, const int *ids, int count)
{
    uv_mutex_lock(&holds->mutex);
    memcpy(holds->ids, ids, (size_t)count * sizeof *ids);
    holds->id_count = count;
    uv_mutex_unlock(&holds->mutex);
}

/* ---- Out ---- */

struct node_hold *holds_copy(struct holds *holds, int *count)
{
    uv_mutex_lock(&holds->mutex);
    size_t size = (size_t)holds->count * sizeof *holds->list;
    struct node_hold *copy = size ? malloc(size) : NULL;
    if (copy)
        memcpy(copy, holds->list, size);
    *count = copy ? holds->count : 0;
    uv_mutex_unlock(&holds->mutex);
    return copy;
}

static int by_place(const void *a, const void *b)
{
    const struct node_hold *x = a, *y = b;
    int order = (x->origin > y->origin) - (x->origin < y->origin);
    return order ? order : (x->lane > y->lane) - (x->lane < y->lane);
}

const struct node_hold *holds_find(const struct node_hold *list, int count, int64_t origin,
                                   int64_t lane)
{
    struct node_hold key = {.origin = origin, .lane = lane};
    return count ? bsearch(&key, list, (size_t)count, sizeof key, by_place) : NULL;
}

/* One's own pace is the schedule's matter. */
static bool allows(const struct node_hold *hold, int me, int64_t now_ms)
{
    if (!hold)
        return true;
    return hold->failures == 0 && (hold->node == me || hold->until_ms <= now_ms);
}

bool holds_any_of(struct holds *holds, int me)
{
    bool any = false;
    uv_mutex_lock(&holds->mutex);
    for (int i = 0; i < holds->count && !any; i++)
        any = holds->list[i].node == me;
    uv_mutex_unlock(&holds->mutex);
    return any;
}

bool holds_may_send(struct holds *holds, int me, int64_t origin, int64_t lane)
{
    int64_t now = clock_monotonic_ms();
    uv_mutex_lock(&holds->mutex);
    bool may = allows(holds_find(holds->list, holds->count, origin, 0), me, now) &&
               allows(holds_find(holds->list, holds->count, origin, lane), me, now);
    uv_mutex_unlock(&holds->mutex);
    return may;
}

/* A lot that all nodes draw alike (the finalizer of MurmurHash3). */
static uint64_t lot(int64_t origin, int id)
{
    uint64_t x = (uint64_t)origin ^ ((uint64_t)id * 0x9e3779b97f4a7c15u);
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
    return x ^ x >> 33;
}

bool holds_has_turn(struct holds *holds, int me, int64_t origin, size_t at_once)
{
    size_t before = 0;
    uv_mutex_lock(&holds->mutex);
    if (at_once > 0 && (size_t)holds->id_count > at_once)
        for (int i = 0; i < holds->id_count; i++)
            before += lot(origin, holds->ids[i]) < lot(origin, me);
    uv_mutex_unlock(&holds->mutex);
    return at_once == 0 || before < at_once;
}
