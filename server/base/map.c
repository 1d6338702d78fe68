/* Open addressing with linear probing; a removal closes its gap, so that there are no tombstones.
 */
#include "map.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CAPACITY 64u

static size_t slot_of(const struct map *map, uint64_t key)
{
    key *= 0x9e3779b97f4a7c15ull; /* 2^64 / golden ratio: spreads keys that follow each other */
    return (size_t)(key >> 32) & (map->capacity - 1);
}

static struct map_slot *find(const struct map *map, uint64_t key)
{
    size_t i = slot_of(map, key);
    while (map->slots[i].value && map->slots[i].key != key)
        i = (i + 1) & (map->capacity - 1);
    return &map->slots[i];
}

void map_free(struct map *map)
{
    free(map->slots);
    *map = (struct map){NULL, 0, 0};
}

static int grow(struct map *map, size_t capacity)
{
    struct map bigger = {calloc(capacity, sizeof *bigger.slots), capacity, map->count};
    if (!bigger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value)
            *find(&bigger, map->slots[i].key) = map->slots[i];
    free(map->slots);
    *map = bigger;
    return 0;
}

int map_reserve(struct map *map, size_t more)
{
    size_t capacity = map->capacity ? map->capacity : FIRST_CAPACITY;
    while ((map->count + more) * 2 > capacity)
        capacity *= 2;
    return capacity == map->capacity ? 0 : grow(map, capacity);
}

int map_put(struct map *map, uint64_t key, void *value)
{
    int code = map_reserve(map, 1);
    if (code != 0)
        return code;
    struct map_slot *slot = find(map, key);
    map->count += !slot->value;
    *slot = (struct map_slot){key, value};
    return 0;
}

void *map_get(const struct map *map, uint64_t key)
{
    return map->capacity ? find(map, key)->value : NULL;
}

static void close_gap(struct map *map, size_t gap)
{
    size_t mask = map->capacity - 1;
    for (size_t i = (gap + 1) & mask; map->slots[i].value; i = (i + 1) & mask) {
        size_t home = slot_of(map, map->slots[i].key);
        if (((i - home) & mask) >= ((i - gap) & mask)) { /* the gap lies on its way from home */
            map->slots[gap] = map->slots[i];
            gap = i;
        }
    }
    map->slots[gap].value = NULL;
}

void *map_remove(struct map *map, uint64_t key)
{
    if (!map->capacity)
        return NULL;
    struct map_slot *slot = find(map, key);
    void *value = slot->value;
    if (value) {
        map->count--;
        close_gap(map, (size_t)(slot - map->slots));
    }
    return value;
}
