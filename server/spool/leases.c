#include "leases.h"

#include <errno.h>
#include <stdlib.h>

static struct origin_due *origin_get(struct leases *leases, uint64_t key)
{
    struct origin_due *origin = map_get(&leases->origins, key);
    if (origin)
        return origin;
    origin = malloc(sizeof *origin);
    if (!origin)
        return NULL;
    *origin = (struct origin_due){.key = key, .next_due_ms = NEVER, .turn = -1};
    if (map_put(&leases->origins, key, origin) == 0)
        return origin;
    free(origin);
    return NULL;
}

static struct lane_due *lane_get(struct leases *leases, uint64_t origin_key, uint64_t key)
{
    struct lane_due *lane = map_get(&leases->lanes, key);
    struct origin_due *origin = lane ? lane->origin : origin_get(leases, origin_key);
    if (lane || !origin)
        return lane;
    lane = malloc(sizeof *lane);
    if (!lane)
        return NULL;
    *lane = (struct lane_due){.key = key, .origin = origin};
    if (map_put(&leases->lanes, key, lane) != 0) {
        free(lane);
        return NULL;
    }
    origin->lanes++;
    return lane;
}

static void free_values(struct map *map)
{
    for (size_t i = 0; i < map->capacity; i++)
        free(map->slots[i].value);
    map_free(map);
}

void leases_free(struct leases *leases)
{
    map_free(&leases->rows);
    free_values(&leases->lanes);
    free_values(&leases->origins);
}

int leases_take(struct leases *leases, int64_t row, uint64_t origin, uint64_t key)
{
    struct lane_due *lane = lane_get(leases, origin, key);
    if (!lane || map_put(&leases->rows, (uint64_t)row, lane) != 0)
        return -ENOMEM;
    lane->leased++;
    lane->origin->leased++;
    return 0;
}

void leases_drop(struct leases *leases, int64_t row)
{
    struct lane_due *lane = map_remove(&leases->rows, (uint64_t)row);
    if (!lane)
        return;
    lane->leased--;
    lane->origin->leased--;
}

bool leases_has(const struct leases *leases, int64_t row)
{
    return map_get(&leases->rows, (uint64_t)row);
}

const struct lane_due *leases_lane(const struct leases *leases, uint64_t lane)
{
    return map_get(&leases->lanes, lane);
}

void leases_hold(struct leases *leases, const struct hold *hold)
{
    struct origin_due *origin = origin_get(leases, hold->origin);
    struct lane_due *lane = hold->lane ? lane_get(leases, hold->origin, hold->lane) : NULL;
    struct due_hold *to = lane ? &lane->hold : origin && !hold->lane ? &origin->hold : NULL;
    if (!to)
        return; /* for want of memory: it is claimed, and fails, once more */
    *to = (struct due_hold){hold->held.until_ms, hold->held.most};
    if (lane && hold->held.until_ms == 0) /* what waits in it may be due before the next look */
        origin->next_due_ms = 0;
}

bool leases_probe(struct leases *leases, uint64_t origin_number, uint64_t lane_number,
                  int64_t now_ms)
{
    struct origin_due *origin = map_get(&leases->origins, origin_number);
    struct lane_due *lane = lane_number ? map_get(&leases->lanes, lane_number) : NULL;
    struct due_hold *hold = lane ? &lane->hold : origin && !lane_number ? &origin->hold : NULL;
    if (!origin || !hold || hold->until_ms <= now_ms)
        return false;
    hold->until_ms = now_ms;
    origin->next_due_ms = 0;
    return true;
}

static void set_back(struct due_hold *hold, int64_t by_ms)
{
    if (hold->until_ms > 0)
        hold->until_ms -= by_ms;
}

void leases_set_back(struct leases *leases, int64_t by_ms)
{
    for (size_t i = 0; i < leases->origins.capacity; i++) {
        struct origin_due *origin = leases->origins.slots[i].value;
        if (origin)
            set_back(&origin->hold, by_ms);
    }
    for (size_t i = 0; i < leases->lanes.capacity; i++) {
        struct lane_due *lane = leases->lanes.slots[i].value;
        if (lane)
            set_back(&lane->hold, by_ms);
    }
}

int64_t leases_due(const struct leases *leases, const struct origin_due *origin)
{
    if (pauses_exact(leases->pauses, origin->key, 0))
        return NEVER;
    return origin->next_due_ms > origin->hold.until_ms ? origin->next_due_ms
                                                       : origin->hold.until_ms;
}

void leases_note_due(struct leases *leases, uint64_t key, int64_t due_ms)
{
    struct origin_due *origin = origin_get(leases, key);
    if (!origin)
        leases->incomplete = true;
    else if (due_ms < origin->next_due_ms)
        origin->next_due_ms = due_ms;
}

void leases_forget_due(struct leases *leases)
{
    for (size_t i = 0; i < leases->origins.capacity; i++)
        if (leases->origins.slots[i].value)
            ((struct origin_due *)leases->origins.slots[i].value)->next_due_ms = NEVER;
    leases->incomplete = false;
}

static bool is_held(const struct due_hold *hold)
{
    return hold->until_ms > 0 || hold->most > 0;
}

/* A removal may bring another one into a slot that was looked at: that is found the next time. */
void leases_prune(struct leases *leases)
{
    for (size_t i = 0; i < leases->lanes.capacity; i++) {
        struct lane_due *lane = leases->lanes.slots[i].value;
        if (lane && lane->leased == 0 && !is_held(&lane->hold)) {
            lane->origin->lanes--;
            free(map_remove(&leases->lanes, lane->key));
        }
    }
    for (size_t i = 0; i < leases->origins.capacity; i++) {
        struct origin_due *origin = leases->origins.slots[i].value;
        if (origin && origin->next_due_ms == NEVER && origin->lanes == 0 && !is_held(&origin->hold))
            free(map_remove(&leases->origins, origin->key));
    }
}

int64_t leases_next_due(const struct leases *leases, int64_t after_ms)
{
    int64_t next = NEVER;
    for (size_t i = 0; i < leases->origins.capacity; i++) {
        const struct origin_due *origin = leases->origins.slots[i].value;
        int64_t due = origin ? leases_due(leases, origin) : NEVER;
        if (due > after_ms && due < next)
            next = due;
    }
    return next;
}
