#include "entries.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../base/clock.h"
#include "../base/map.h"
#include "dictionary.h"

static struct map_key key_of(const void *value)
{
    const struct entry *entry = value;
    return (struct map_key){entry->key, entry->key_size};
}

static struct {
    uv_once_t once;
    uv_mutex_t mutex;
    struct map table;
    struct entry *newest, *oldest; /* in the order of use */
    size_t bytes;
} entries = {.once = UV_ONCE_INIT, .table = {.key_of = key_of}};

static void begin(void)
{
    uv_mutex_init(&entries.mutex);
}

void entries_lock(void)
{
    uv_once(&entries.once, begin);
    uv_mutex_lock(&entries.mutex);
}

void entries_unlock(void)
{
    uv_mutex_unlock(&entries.mutex);
}

static size_t cost(const struct entry *entry)
{
    return sizeof *entry + entry->key_size + entry->text_size + 64; /* 64: the table's share */
}

static void unlink_entry(struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &entries.newest) = entry->older;
    *(entry->older ? &entry->older->newer : &entries.oldest) = entry->newer;
}

static void link_newest(struct entry *entry)
{
    entry->newer = NULL;
    entry->older = entries.newest;
    *(entries.newest ? &entries.newest->newer : &entries.oldest) = entry;
    entries.newest = entry;
}

static void free_entry(struct entry *entry)
{
    free(entry->key);
    free(entry->text);
    free(entry);
}

void entries_drop(struct entry *entry)
{
    map_take(&entries.table, key_of(entry));
    unlink_entry(entry);
    entries.bytes -= cost(entry);
    free_entry(entry);
}

struct entry *entries_find(const char *key, size_t size)
{
    struct entry *entry = map_find(&entries.table, (struct map_key){key, size});
    if (!entry)
        return NULL;
    if (entry->expires_ms && entry->expires_ms <= clock_monotonic_ms()) {
        entries_drop(entry);
        return NULL;
    }
    unlink_entry(entry);
    link_newest(entry);
    return entry;
}

static void *copy_bytes(const char *bytes, size_t size)
{
    char *new = malloc(size ? size : 1);
    if (new && size)
        memcpy(new, bytes, size);
    return new;
}

bool entries_put(const char *key, size_t key_size, const struct entry *value)
{
    struct entry *old = entries_find(key, key_size), *entry = calloc(1, sizeof *entry);
    if (!entry)
        return false;
    *entry = *value;
    entry->key = copy_bytes(key, key_size);
    entry->key_size = key_size;
    entry->text = value->is_number ? NULL : copy_bytes(value->text, value->text_size);
    if (!entry->key || (!value->is_number && !entry->text)) {
        free_entry(entry);
        return false;
    }
    if (old)
        entries_drop(old);
    if (map_add(&entries.table, entry) != 0) {
        free_entry(entry);
        return false;
    }
    link_newest(entry);
    entries.bytes += cost(entry);
    while (entries.bytes > DICTIONARY_MAX_BYTES)
        entries_drop(entries.oldest);
    return true;
}

void dictionary_clear(void)
{
    entries_lock();
    while (entries.oldest)
        entries_drop(entries.oldest);
    entries_unlock();
}
