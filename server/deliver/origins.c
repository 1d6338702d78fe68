#include "origins.h"

#include <stdlib.h>

void origins_init(struct origins *origins)
{
    *origins = (struct origins){.ring_end = &origins->ring};
}

static void origin_free(struct origin *origin)
{
    free(origin->name);
    free(origin);
}

void origins_free(struct origins *origins)
{
    for (size_t i = 0; i < origins->map.capacity; i++)
        if (origins->map.slots[i].value)
            origin_free(origins->map.slots[i].value);
    map_free(&origins->map);
}

struct origin *origins_get(struct origins *origins, const char *name)
{
    uint64_t key = origin_key(name);
    struct origin *origin = map_get(&origins->map, key);
    if (origin)
        return origin;
    origin = calloc(1, sizeof *origin);
    if (!origin)
        return NULL;
    origin->key = key;
    origin->ready_end = &origin->ready;
    if (map_put(&origins->map, key, origin) == 0)
        return origin;
    free(origin);
    return NULL;
}

void origins_queue(struct origins *origins, struct origin *origin)
{
    if (origin->in_ring || !origin->ready)
        return;
    origin->in_ring = true;
    origin->next = NULL;
    *origins->ring_end = origin;
    origins->ring_end = &origin->next;
}

struct origin *origins_next(struct origins *origins)
{
    struct origin *origin = origins->ring;
    if (!origin)
        return NULL;
    origins->ring = origin->next;
    if (!origins->ring)
        origins->ring_end = &origins->ring;
    origin->in_ring = false;
    return origin;
}

void origins_settle(struct origins *origins, struct origin *origin)
{
    if (origin->in_hand > 0 || origin->in_ring || !breaker_at_rest(&origin->breaker))
        return;
    map_remove(&origins->map, origin->key);
    origin_free(origin);
}

void origin_push(struct origin *origin, struct delivery *delivery)
{
    delivery->next = NULL;
    *origin->ready_end = delivery;
    origin->ready_end = &delivery->next;
    origin->in_hand++;
}

struct delivery *origin_shift(struct origin *origin)
{
    struct delivery *delivery = origin->ready;
    if (!delivery)
        return NULL;
    origin->ready = delivery->next;
    if (!origin->ready)
        origin->ready_end = &origin->ready;
    return delivery;
}
