/*
 * map.h - hash tables of pointers, found by a number or by bytes that stand in the value.
 *
 * Keys may be chosen by strangers (names, addresses, URLs): each process hashes with a key of its
 * own, drawn at random when it starts, so that nobody can choose keys that collide.
 *
 * One thread at a time. Pointers to values stay; slots move.
 *
 * Two tables of millions hold no pointers, to be small, and hash with map_hash() (rules/alias_table.c,
 * sources/names.c); the series of metrics have a table without locks (metrics.c). There are no others.
 */
#ifndef MXHOOK_MAP_H
#define MXHOOK_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint64_t key; /* the number, or the hash of the bytes */
    void *value;  /* NULL: the slot is free */
};

struct map_key {
    const void *bytes;
    size_t size;
};

struct map { /* all zero is an empty one, by numbers */
    struct map_slot *slots;
    size_t capacity; /* 0 or a power of two */
    size_t count;
    /* By bytes: where a value's key stands. It must not change while the value is in. */
    struct map_key (*key_of)(const void *value);
};

/* The hash of these bytes, for a table of another kind: another one in each process. Any thread. */
uint64_t map_hash(struct map_key key);

void map_free(struct map *map); /* the slots, not what the values point to; it is empty then */

/* By numbers. */

/* Makes room for `more` puts that cannot fail then. 0 or -ENOMEM. */
int map_reserve(struct map *map, size_t more);
/* `value` is not NULL; it replaces what stood there. 0 or -ENOMEM. */
int map_put(struct map *map, uint64_t key, void *value);
void *map_get(const struct map *map, uint64_t key); /* NULL: not there */
void *map_remove(struct map *map, uint64_t key);    /* what stood there, or NULL */

/* By bytes: `key_of` is set. */

/* Adds a value, or puts it in the place of the one that has the same key. 0 or -ENOMEM. */
int map_add(struct map *map, void *value);
void *map_find(const struct map *map, struct map_key key); /* NULL: not there */
void *map_take(struct map *map, struct map_key key);       /* out of it; NULL: not there */

#endif
