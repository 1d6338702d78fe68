/*
 * cache.h - what a source has said, for a while.
 *
 * fresh        not older than the time that it was given: it is the answer
 * stale        older, and kept for when the source does not answer
 *
 * Bounded by entries and by bytes: what was not used for longest goes first, of negative answers where they take more
 * than half. Times are monotonic milliseconds, which the caller has. Any thread.
 */
#ifndef MXHOOK_LOOKUP_CACHE_H
#define MXHOOK_LOOKUP_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "lookup_answer.h"

#define LOOKUP_CACHE_MAX_BYTES (64 * 1024 * 1024) /* of addresses and answers */

struct lookup_cache;

struct lookup_cache *lookup_cache_new(size_t max_entries); /* NULL: no memory */
void lookup_cache_free(struct lookup_cache *cache);        /* takes NULL */

/* Replaces what there was of that address. What there is no memory for is not kept. Takes a
 * reference of its own. */
void lookup_cache_put(struct lookup_cache *cache, const char *address, struct lookup_answer *answer,
                      int64_t fresh_until_ms, int64_t stale_until_ms);

/* A reference, or NULL. `stale`: one that is not fresh will do too. */
struct lookup_answer *lookup_cache_get(struct lookup_cache *cache, const char *address,
                                       int64_t now_ms, bool stale);

#endif
