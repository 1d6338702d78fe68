/*
 * map.h - 64-bit keys to pointers. One thread at a time.
 */
#ifndef MXHOOK_MAP_H
#define MXHOOK_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint64_t key;
    void *value; /* NULL: the slot is free */
};

struct map { /* all zero is an empty one */
    struct map_slot *slots;
    size_t capacity; /* 0 or a power of two */
    size_t count;
};

void map_free(struct map *map); /* the slots, not what the values point to */
/* Makes room for `more` puts that cannot fail then. 0 or -ENOMEM. */
int map_reserve(struct map *map, size_t more);
/* `value` is not NULL; it replaces what stood there. 0 or -ENOMEM. */
int map_put(struct map *map, uint64_t key, void *value);
void *map_get(const struct map *map, uint64_t key); /* NULL: not there */
void *map_remove(struct map *map, uint64_t key);    /* what stood there, or NULL */

#endif
