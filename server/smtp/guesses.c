#include "guesses.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "../base/map.h"

#define V4_NETWORK  (96 + 24)
#define V6_NETWORK  64
#define ONE_ADDRESS 128

struct record {
    TAILQ_ENTRY(record) age;
    int64_t last_ms;
    unsigned failures; /* 0: the address is known */
    size_t size;       /* of the key: a network, then the user's name or nothing */
    unsigned char key[];
};

TAILQ_HEAD(records, record);

struct guesses {
    struct map records;
    struct records by_age; /* the oldest first */
};

static struct map_key key_of(const void *value)
{
    const struct record *record = value;
    return (struct map_key){record->key, record->size};
}

struct guesses *guesses_new(void)
{
    struct guesses *guesses = calloc(1, sizeof *guesses);
    if (!guesses)
        return NULL;
    guesses->records.key_of = key_of;
    TAILQ_INIT(&guesses->by_age);
    return guesses;
}

static void forget(struct guesses *guesses, struct record *record)
{
    map_take(&guesses->records, key_of(record));
    TAILQ_REMOVE(&guesses->by_age, record, age);
    free(record);
}

void guesses_free(struct guesses *guesses)
{
    struct record *record;
    if (!guesses)
        return;
    while ((record = TAILQ_FIRST(&guesses->by_age)))
        forget(guesses, record);
    map_free(&guesses->records);
    free(guesses);
}

/* Found, or made; NULL: there is none, or no memory. */
static struct record *find(struct guesses *guesses, const struct ip_address *address,
                           unsigned prefix, const char *user, int64_t now_ms, bool makes)
{
    struct network network = network_of(address, prefix);
    size_t user_size = strlen(user), size = sizeof network + user_size;
    struct record *record = calloc(1, sizeof *record + size);
    if (!record)
        return NULL;
    record->size = size;
    memcpy(record->key, &network, sizeof network);
    memcpy(record->key + sizeof network, user, user_size);
    struct record *known = map_find(&guesses->records, key_of(record));
    if (known || !makes) {
        free(record);
        return known;
    }
    record->last_ms = now_ms;
    if (map_add(&guesses->records, record) != 0) {
        free(record);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&guesses->by_age, record, age);
    if (guesses->records.count > GUESSES_MAX)
        forget(guesses, TAILQ_FIRST(&guesses->by_age));
    return record;
}

static void touch(struct guesses *guesses, struct record *record, int64_t now_ms)
{
    record->last_ms = now_ms;
    TAILQ_REMOVE(&guesses->by_age, record, age);
    TAILQ_INSERT_TAIL(&guesses->by_age, record, age);
}

static unsigned prefix_of(const struct ip_address *address)
{
    return ip_address_is_v4(address) ? V4_NETWORK : V6_NETWORK;
}

static bool is_known(struct guesses *guesses, const char *user, const struct ip_address *address,
                     int64_t now_ms)
{
    const struct record *record = find(guesses, address, ONE_ADDRESS, user, now_ms, false);
    return record && now_ms - record->last_ms <= GUESSES_KNOWN_MS;
}

/* Counts one more. Returns how many failed before. */
static unsigned count(struct guesses *guesses, const char *user, const struct ip_address *address,
                      int64_t now_ms)
{
    struct record *record = find(guesses, address, prefix_of(address), user, now_ms, true);
    if (!record)
        return 0;
    if (now_ms - record->last_ms > GUESSES_FORGET_MS)
        record->failures = 0;
    if (record->failures >= GUESSES_MAX_FAILS)
        return record->failures;
    touch(guesses, record, now_ms);
    return record->failures++;
}

bool guesses_begin(struct guesses *guesses, const char *user, const struct ip_address *address,
                   int64_t now_ms, int64_t *delay_ms)
{
    *delay_ms = 0;
    if (is_known(guesses, user, address, now_ms))
        return true;
    unsigned of_network = count(guesses, "", address, now_ms);
    unsigned of_user = count(guesses, user, address, now_ms);
    unsigned most = of_network > of_user ? of_network : of_user;
    if (most >= GUESSES_MAX_FAILS)
        return false;
    if (most >= GUESSES_FREE)
        *delay_ms = (int64_t)GUESSES_DELAY_MS << (most - GUESSES_FREE);
    return true;
}

static void take_back(struct guesses *guesses, const char *user, const struct ip_address *address,
                      int64_t now_ms)
{
    struct record *record = find(guesses, address, prefix_of(address), user, now_ms, false);
    if (record && record->failures > 0 && --record->failures == 0)
        forget(guesses, record);
}

void guesses_right(struct guesses *guesses, const char *user, const struct ip_address *address,
                   int64_t now_ms)
{
    if (!is_known(guesses, user, address, now_ms)) {
        take_back(guesses, "", address, now_ms);
        take_back(guesses, user, address, now_ms);
    }
    struct record *record = find(guesses, address, ONE_ADDRESS, user, now_ms, true);
    if (record)
        touch(guesses, record, now_ms);
}
