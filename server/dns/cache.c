#include "cache.h"

#include <stdlib.h>

#include "../base/clock.h"
#include "key.h"

#define TTL_MAX      86400u /* seconds that anything is kept */
#define TTL_NONE_MAX 3600u  /* that "there is none", or a failure, is kept */

struct cache_entry {
    struct dns_key key;
    struct dns_answer *answer;
    int64_t expires_ms;                /* monotonic */
    struct cache_entry *newer, *older; /* by use */
};

struct cache {
    struct map entries;
    struct cache_entry *newest, *oldest;
    size_t bytes, limit;
};

static struct map_key key_of(const void *value)
{
    return dns_key_bytes(&((const struct cache_entry *)value)->key);
}

struct cache *cache_new(size_t limit)
{
    struct cache *cache = calloc(1, sizeof *cache);
    if (cache) {
        cache->limit = limit;
        cache->entries.key_of = key_of;
    }
    return cache;
}

static size_t memory_of(const struct cache_entry *entry)
{
    return sizeof *entry + entry->answer->memory;
}

static void take_out(struct cache *cache, struct cache_entry *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
    entry->newer = entry->older = NULL;
}

static void put_first(struct cache *cache, struct cache_entry *entry)
{
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void evict(struct cache *cache, struct cache_entry *entry)
{
    map_take(&cache->entries, key_of(entry));
    cache->bytes -= memory_of(entry);
    take_out(cache, entry);
    dns_answer_unref(entry->answer);
    free(entry);
}

struct dns_answer *cache_get(struct cache *cache, const char *name, enum record_type type)
{
    struct dns_key key;
    dns_key_set(&key, name, type);
    struct cache_entry *entry = map_find(&cache->entries, dns_key_bytes(&key));
    if (!entry)
        return NULL;
    if (clock_monotonic_ms() >= entry->expires_ms) {
        evict(cache, entry);
        return NULL;
    }
    take_out(cache, entry);
    put_first(cache, entry);
    return dns_answer_ref(entry->answer);
}

void cache_put(struct cache *cache, const char *name, enum record_type type,
               struct dns_answer *answer)
{
    uint32_t limit = answer->status == DNS_RECORDS ? TTL_MAX : TTL_NONE_MAX;
    uint32_t ttl = answer->ttl < limit ? answer->ttl : limit;
    struct cache_entry *entry = ttl > 0 ? calloc(1, sizeof *entry) : NULL;
    if (!entry)
        return;
    dns_key_set(&entry->key, name, type);
    if (map_add(&cache->entries, entry) != 0) {
        free(entry);
        return;
    }
    entry->answer = dns_answer_ref(answer);
    entry->expires_ms = clock_monotonic_ms() + (int64_t)ttl * 1000;
    put_first(cache, entry);
    cache->bytes += memory_of(entry);
    while (cache->bytes > cache->limit)
        evict(cache, cache->oldest);
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    while (cache->oldest)
        evict(cache, cache->oldest);
    map_free(&cache->entries);
    free(cache);
}
