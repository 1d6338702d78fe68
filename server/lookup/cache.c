#include "cache.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../base/map.h"

/* By what they say: strangers cause the negative ones, and must not push out the others. */
struct list {
    struct lookup_entry *newest, *oldest;
    size_t count;
};

struct lookup_entry {
    struct lookup_entry *newer, *older; /* in the list of its kind */
    struct lookup_answer *answer;
    int64_t fresh_until_ms, stale_until_ms;
    size_t bytes;
    char address[];
};

struct lookup_cache {
    uv_mutex_t mutex;
    struct map map;
    struct list found, none;
    size_t bytes, max_entries;
};

static struct map_key key_of(const void *value)
{
    const struct lookup_entry *entry = value;
    return (struct map_key){entry->address, strlen(entry->address)};
}

struct lookup_cache *lookup_cache_new(size_t max_entries)
{
    struct lookup_cache *cache = calloc(1, sizeof *cache);
    if (!cache || uv_mutex_init(&cache->mutex) != 0) {
        free(cache);
        return NULL;
    }
    cache->map.key_of = key_of;
    cache->max_entries = max_entries;
    return cache;
}

static struct list *list_of(struct lookup_cache *cache, const struct lookup_entry *entry)
{
    return entry->answer->status == LOOKUP_FOUND ? &cache->found : &cache->none;
}

static void unlink_entry(struct lookup_cache *cache, struct lookup_entry *entry)
{
    struct list *list = list_of(cache, entry);
    *(entry->newer ? &entry->newer->older : &list->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &list->oldest) = entry->newer;
    list->count--;
}

static void link_newest(struct lookup_cache *cache, struct lookup_entry *entry)
{
    struct list *list = list_of(cache, entry);
    entry->newer = NULL;
    entry->older = list->newest;
    *(list->newest ? &list->newest->newer : &list->oldest) = entry;
    list->newest = entry;
    list->count++;
}

/* It is out of the map already. */
static void drop(struct lookup_cache *cache, struct lookup_entry *entry)
{
    unlink_entry(cache, entry);
    cache->bytes -= entry->bytes;
    lookup_answer_unref(entry->answer);
    free(entry);
}

static struct lookup_entry *take(struct lookup_cache *cache, const char *address)
{
    return map_take(&cache->map, (struct map_key){address, strlen(address)});
}

void lookup_cache_free(struct lookup_cache *cache)
{
    if (!cache)
        return;
    while (cache->found.newest)
        drop(cache, cache->found.newest);
    while (cache->none.newest)
        drop(cache, cache->none.newest);
    map_free(&cache->map);
    uv_mutex_destroy(&cache->mutex);
    free(cache);
}

/* Half of the room is the negative ones' at most, where others want it. */
static struct lookup_entry *first_to_go(struct lookup_cache *cache)
{
    struct list *none = &cache->none, *found = &cache->found;
    bool negative = !found->oldest || none->count > cache->max_entries / 2;
    return negative ? none->oldest : found->oldest;
}

static bool is_over(const struct lookup_cache *cache)
{
    return cache->found.count + cache->none.count > cache->max_entries ||
           cache->bytes > LOOKUP_CACHE_MAX_BYTES;
}

static void add(struct lookup_cache *cache, struct lookup_entry *entry)
{
    struct lookup_entry *old = take(cache, entry->address);
    if (old)
        drop(cache, old);
    if (map_add(&cache->map, entry) != 0) {
        lookup_answer_unref(entry->answer);
        free(entry);
        return;
    }
    link_newest(cache, entry);
    cache->bytes += entry->bytes;
    while (is_over(cache))
        drop(cache, take(cache, first_to_go(cache)->address));
}

void lookup_cache_put(struct lookup_cache *cache, const char *address, struct lookup_answer *answer,
                      int64_t fresh_until_ms, int64_t stale_until_ms)
{
    size_t size = strlen(address) + 1;
    struct lookup_entry *entry = malloc(sizeof *entry + size);
    if (!entry)
        return;
    *entry = (struct lookup_entry){.answer = lookup_answer_ref(answer),
                                   .fresh_until_ms = fresh_until_ms,
                                   .stale_until_ms = stale_until_ms,
                                   .bytes = sizeof *entry + sizeof *answer + size + answer->size};
    memcpy(entry->address, address, size);
    uv_mutex_lock(&cache->mutex);
    add(cache, entry);
    uv_mutex_unlock(&cache->mutex);
}

struct lookup_answer *lookup_cache_get(struct lookup_cache *cache, const char *address,
                                       int64_t now_ms, bool stale)
{
    struct lookup_answer *answer = NULL;
    uv_mutex_lock(&cache->mutex);
    struct lookup_entry *entry = map_find(&cache->map, (struct map_key){address, strlen(address)});
    if (entry && now_ms >= entry->fresh_until_ms && now_ms >= entry->stale_until_ms)
        drop(cache, take(cache, address));
    else if (entry && (stale || now_ms < entry->fresh_until_ms)) {
        answer = lookup_answer_ref(entry->answer);
        unlink_entry(cache, entry);
        link_newest(cache, entry);
    }
    uv_mutex_unlock(&cache->mutex);
    return answer;
}
