#include "names.h"

#include <errno.h>
#include <stdlib.h>

#include "../base/map.h"

#define FIRST_CAPACITY 4096 /* a power of two, as every later one */

static uint64_t hash(const char *address, size_t size)
{
    uint64_t value = map_hash((struct map_key){address, size});
    return value ? value : 1;
}

/* Where it stands, or the free slot where it would. */
static size_t slot_of(const uint64_t *slots, size_t capacity, uint64_t value)
{
    size_t slot = value & (capacity - 1);
    while (slots[slot] && slots[slot] != value)
        slot = (slot + 1) & (capacity - 1);
    return slot;
}

static bool is_full(size_t count, size_t capacity)
{
    return count >= capacity / 4 * 3;
}

static int grow(struct names *names, size_t capacity)
{
    uint64_t *slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < names->capacity; i++)
        if (names->slots[i])
            slots[slot_of(slots, capacity, names->slots[i])] = names->slots[i];
    free(names->slots);
    names->slots = slots;
    names->capacity = capacity;
    return 0;
}

int names_expect(struct names *names, size_t count)
{
    size_t capacity = names->capacity ? names->capacity : FIRST_CAPACITY;
    while (is_full(count, capacity))
        capacity *= 2;
    return capacity > names->capacity ? grow(names, capacity) : 0;
}

int names_add(struct names *names, const char *address, size_t size)
{
    if (is_full(names->count, names->capacity) && names_expect(names, names->count) != 0)
        return -ENOMEM;
    uint64_t value = hash(address, size);
    size_t slot = slot_of(names->slots, names->capacity, value);
    names->count += names->slots[slot] == 0;
    names->slots[slot] = value;
    return 0;
}

bool names_have(const struct names *names, const char *address, size_t size)
{
    if (names->count == 0)
        return false;
    return names->slots[slot_of(names->slots, names->capacity, hash(address, size))] != 0;
}

void names_free(struct names *names)
{
    free(names->slots);
    *names = (struct names){0};
}
