#include "cache.h"

#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "hash.h"

#define BUCKETS      4096
#define TTL_MAX      86400u /* seconds that anything is kept */
#define TTL_NONE_MAX 3600u  /* that "there is none", or a failure, is kept */

struct entry {
    struct entry *next; /* in its bucket */
    char name[DNS_NAME_MAX + 1];
    enum record_type type;
    struct answer *answer;
    int64_t expires_ms;          /* monotonic */
    struct entry *newer, *older; /* by use */
};

struct cache {
    struct entry *buckets[BUCKETS];
    struct entry *newest, *oldest;
    size_t bytes, limit;
};

struct cache *cache_new(size_t limit)
{
    struct cache *cache = calloc(1, sizeof *cache);
    if (cache)
        cache->limit = limit;
    return cache;
}

static struct entry **bucket_of(struct cache *cache, const char *name, enum record_type type)
{
    return &cache->buckets[question_hash(name, type) % BUCKETS];
}

static size_t memory_of(const struct entry *entry)
{
    return sizeof *entry + entry->answer->memory;
}

static void take_out(struct cache *cache, struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
    entry->newer = entry->older = NULL;
}

static void put_first(struct cache *cache, struct entry *entry)
{
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void evict(struct cache *cache, struct entry *entry)
{
    struct entry **link = bucket_of(cache, entry->name, entry->type);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    cache->bytes -= memory_of(entry);
    take_out(cache, entry);
    answer_unref(entry->answer);
    free(entry);
}

struct answer *cache_get(struct cache *cache, const char *name, enum record_type type)
{
    struct entry *entry = *bucket_of(cache, name, type);
    while (entry && (entry->type != type || strcmp(entry->name, name) != 0))
        entry = entry->next;
    if (!entry)
        return NULL;
    if (clock_monotonic_ms() >= entry->expires_ms) {
        evict(cache, entry);
        return NULL;
    }
    take_out(cache, entry);
    put_first(cache, entry);
    return answer_ref(entry->answer);
}

void cache_put(struct cache *cache, const char *name, enum record_type type, struct answer *answer)
{
    uint32_t limit = answer->status == ANSWER_RECORDS ? TTL_MAX : TTL_NONE_MAX;
    uint32_t ttl = answer->ttl < limit ? answer->ttl : limit;
    struct entry *entry = ttl > 0 ? calloc(1, sizeof *entry) : NULL;
    if (!entry)
        return;
    struct entry **bucket = bucket_of(cache, name, type);
    strcpy(entry->name, name);
    entry->type = type;
    entry->answer = answer_ref(answer);
    entry->expires_ms = clock_monotonic_ms() + (int64_t)ttl * 1000;
    entry->next = *bucket;
    *bucket = entry;
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
    free(cache);
}
