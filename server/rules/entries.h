/*
 * entries.h - for dictionary.c: the entries themselves, of all threads, under one lock.
 *
 * Between entries_lock() and entries_unlock() no Lua error may be raised.
 */
#ifndef MXHOOK_RULES_ENTRIES_H
#define MXHOOK_RULES_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entry {
    char *key; /* with the byte before it that tells reservations and values apart (dictionary.c) */
    size_t key_size;
    int64_t expires_ms; /* monotonic; 0: never */
    bool is_number;     /* false: a text */
    double number;
    char *text;
    size_t text_size;
    unsigned holders; /* of a reservation: transactions that are undecided; 0: it is kept */
    struct entry *newer, *older;
};

/* Any thread; blocking, for as long as another one has them. */
void entries_lock(void);
void entries_unlock(void);

/* All of these under the lock. */

/* The live entry of that key, now the one used last; NULL. Valid until the lock is given back. */
struct entry *entries_find(const char *key, size_t size);

/* A copy of `value` takes that key's place; false: no memory, and all is as it was. What was not used for longest goes
 * where there is no room. */
bool entries_put(const char *key, size_t key_size, const struct entry *value);

/* Removes it, and frees. */
void entries_drop(struct entry *entry);

#endif
