/*
 * cache.h - answers of DNS, kept as long as they are valid and there is room.
 *
 * The least recently used go first. One thread.
 */
#ifndef MXHOOK_DNS_CACHE_H
#define MXHOOK_DNS_CACHE_H

#include "dns_answer.h"

struct cache;

struct cache *cache_new(size_t limit); /* bytes; NULL: no memory */
void cache_free(struct cache *cache);  /* takes NULL */

/* A reference; NULL where there is none that is still valid. */
struct dns_answer *cache_get(struct cache *cache, const char *name, enum record_type type);

/* Keeps a reference for the answer's TTL, a day at most (an hour where there are no records); not
 * at all where the TTL is 0 or memory is short. There must be none for the same question. */
void cache_put(struct cache *cache, const char *name, enum record_type type,
               struct dns_answer *answer);

#endif
