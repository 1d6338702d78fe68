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
    *origin = (struct origin_due){key, NEVER, 0, 0, 0};
    if (map_put(&leases->origins, key, origin) == 0)
        return origin;
    free(origin);
    return NULL;
}

void leases_free(struct leases *leases)
{
    for (size_t i = 0; i < leases->origins.capacity; i++)
        free(leases->origins.slots[i].value);
    map_free(&leases->origins);
    map_free(&leases->rows);
}

int leases_take(struct leases *leases, int64_t row, uint64_t key)
{
    struct origin_due *origin = origin_get(leases, key);
    if (!origin || map_put(&leases->rows, (uint64_t)row, origin) != 0)
        return -ENOMEM;
    origin->leased++;
    return 0;
}

void leases_drop(struct leases *leases, int64_t row)
{
    struct origin_due *origin = map_remove(&leases->rows, (uint64_t)row);
    if (origin)
        origin->leased--;
}

bool leases_has(const struct leases *leases, int64_t row)
{
    return map_get(&leases->rows, (uint64_t)row);
}

void leases_hold(struct leases *leases, uint64_t key, int64_t until_ms, size_t most)
{
    struct origin_due *origin = origin_get(leases, key);
    if (!origin)
        return; /* for want of memory: it is claimed, and fails, once more */
    origin->held_until_ms = until_ms;
    origin->most = most;
}

void leases_set_back(struct leases *leases, int64_t by_ms)
{
    for (size_t i = 0; i < leases->origins.capacity; i++) {
        struct origin_due *origin = leases->origins.slots[i].value;
        if (origin && origin->held_until_ms > 0)
            origin->held_until_ms -= by_ms;
    }
}

int64_t leases_due(const struct origin_due *origin)
{
    return origin->next_due_ms > origin->held_until_ms ? origin->next_due_ms
                                                       : origin->held_until_ms;
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

void leases_prune(struct leases *leases)
{
    for (size_t i = 0; i < leases->origins.capacity; i++) {
        struct origin_due *origin = leases->origins.slots[i].value;
        if (origin && origin->next_due_ms == NEVER && origin->leased == 0 && origin->most == 0)
            free(map_remove(&leases->origins, origin->key));
    }
}

int64_t leases_next_due(const struct leases *leases, int64_t after_ms)
{
    int64_t next = NEVER;
    for (size_t i = 0; i < leases->origins.capacity; i++) {
        const struct origin_due *origin = leases->origins.slots[i].value;
        if (origin && origin->next_due_ms != NEVER && leases_due(origin) > after_ms &&
            leases_due(origin) < next)
            next = leases_due(origin);
    }
    return next;
}
