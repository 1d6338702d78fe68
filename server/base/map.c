/* Open addressing with linear probing; a removal closes its gap, so that there are no tombstones.
 */
#include "map.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>

#include "siphash.h"

#define FIRST_CAPACITY 64u

static uint64_t seed[2]; /* never changes once main() has begun */

/* Where getrandom() is forbidden, the sixteen random bytes that the kernel gives each process. */
__attribute__((constructor)) static void draw_seed(void)
{
    const void *given = (const void *)getauxval(AT_RANDOM);
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed && given)
        memcpy(seed, given, sizeof seed);
}

uint64_t map_hash(struct map_key key)
{
    return siphash(seed, key.bytes, key.size);
}

static size_t slot_of(const struct map *map, uint64_t key)
{
    return (map->key_of ? key : siphash_number(seed, key)) & (map->capacity - 1);
}

/* `bytes`: NULL where the key is a number. */
static bool is_key(const struct map *map, const struct map_slot *slot, uint64_t key,
                   const struct map_key *bytes)
{
    if (slot->key != key)
        return false;
    if (!bytes)
        return true;
    struct map_key other = map->key_of(slot->value);
    return other.size == bytes->size && memcmp(other.bytes, bytes->bytes, other.size) == 0;
}

/* Where it stands, or would. */
static struct map_slot *find(const struct map *map, uint64_t key, const struct map_key *bytes)
{
    size_t i = slot_of(map, key);
    while (map->slots[i].value && !is_key(map, &map->slots[i], key, bytes))
        i = (i + 1) & (map->capacity - 1);
    return &map->slots[i];
}

void map_free(struct map *map)
{
    free(map->slots);
    *map = (struct map){.key_of = map->key_of};
}

static void move(struct map *to, const struct map_slot *slot)
{
    size_t i = slot_of(to, slot->key);
    while (to->slots[i].value)
        i = (i + 1) & (to->capacity - 1);
    to->slots[i] = *slot;
}

static int grow(struct map *map, size_t capacity)
{
    struct map bigger = {calloc(capacity, sizeof *bigger.slots), capacity, map->count, map->key_of};
    if (!bigger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value)
            move(&bigger, &map->slots[i]);
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

static int place(struct map *map, uint64_t key, const struct map_key *bytes, void *value)
{
    int code = map_reserve(map, 1);
    if (code != 0)
        return code;
    struct map_slot *slot = find(map, key, bytes);
    map->count += !slot->value;
    *slot = (struct map_slot){key, value};
    return 0;
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

static void *take(struct map *map, uint64_t key, const struct map_key *bytes)
{
    if (!map->capacity)
        return NULL;
    struct map_slot *slot = find(map, key, bytes);
    void *value = slot->value;
    if (value) {
        map->count--;
        close_gap(map, (size_t)(slot - map->slots));
    }
    return value;
}

int map_put(struct map *map, uint64_t key, void *value)
{
    return place(map, key, NULL, value);
}

void *map_get(const struct map *map, uint64_t key)
{
    return map->capacity ? find(map, key, NULL)->value : NULL;
}

void *map_remove(struct map *map, uint64_t key)
{
    return take(map, key, NULL);
}

int map_add(struct map *map, void *value)
{
    struct map_key key = map->key_of(value);
    return place(map, map_hash(key), &key, value);
}

void *map_find(const struct map *map, struct map_key key)
{
    return map->capacity ? find(map, map_hash(key), &key)->value : NULL;
}

void *map_take(struct map *map, struct map_key key)
{
    return take(map, map_hash(key), &key);
}
