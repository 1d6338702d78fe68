#include "guesses.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "../base/map.h"
#include "session_private.h"

#define V4_NETWORK  (96 + 24)
#define V6_NETWORK  64
#define V6_SITE     48
#define ONE_ADDRESS 128
#define DAY_MS      (24ll * 3600000)

struct guess_record {
    TAILQ_ENTRY(guess_record) age;
    int64_t last_ms;
    int64_t kept_ms;   /* of an address: last_ms, when it was said that it is to be kept */
    unsigned failures; /* of a count */
    size_t size;       /* of the key: a network, then the user's name or nothing, without a NUL */
    unsigned char key[];
};

TAILQ_HEAD(records, guess_record);

/* At most GUESSES_MAX; the oldest goes. */
struct table {
    struct map records;
    struct records by_age; /* the oldest first */
};

struct guesses {
    struct table counts, known;
};

static struct map_key key_of(const void *value)
{
    const struct guess_record *record = value;
    return (struct map_key){record->key, record->size};
}

static void table_init(struct table *table)
{
    table->records.key_of = key_of;
    TAILQ_INIT(&table->by_age);
}

struct guesses *guesses_new(void)
{
    struct guesses *guesses = calloc(1, sizeof *guesses);
    if (!guesses)
        return NULL;
    table_init(&guesses->counts);
    table_init(&guesses->known);
    return guesses;
}

static void forget(struct table *table, struct guess_record *record)
{
    map_take(&table->records, key_of(record));
    TAILQ_REMOVE(&table->by_age, record, age);
    free(record);
}

static void table_clear(struct table *table)
{
    struct guess_record *record;
    while ((record = TAILQ_FIRST(&table->by_age)))
        forget(table, record);
    map_free(&table->records);
}

void guesses_free(struct guesses *guesses)
{
    if (!guesses)
        return;
    table_clear(&guesses->counts);
    table_clear(&guesses->known);
    free(guesses);
}

static struct guess_record *record_new(const struct ip_address *address, unsigned prefix,
                                       const char *user, int64_t now_ms)
{
    struct network network = network_of(address, prefix);
    size_t user_size = strlen(user), size = sizeof network + user_size;
    struct guess_record *record = calloc(1, sizeof *record + size);
    if (!record)
        return NULL;
    record->last_ms = now_ms;
    record->size = size;
    memcpy(record->key, &network, sizeof network);
    memcpy(record->key + sizeof network, user, user_size);
    return record;
}

enum mode { LOOK, MAKE };

/* Found, or made; NULL: there is none, or no memory. */
static struct guess_record *find(struct table *table, const struct ip_address *address,
                                 unsigned prefix, const char *user, int64_t now_ms, enum mode mode)
{
    struct guess_record *record = record_new(address, prefix, user, now_ms);
    if (!record)
        return NULL;
    struct guess_record *there = map_find(&table->records, key_of(record));
    if (there || mode == LOOK || map_add(&table->records, record) != 0) {
        free(record);
        return there;
    }
    TAILQ_INSERT_TAIL(&table->by_age, record, age);
    if (table->records.count > GUESSES_MAX)
        forget(table, TAILQ_FIRST(&table->by_age));
    return record;
}

static void touch(struct table *table, struct guess_record *record, int64_t now_ms)
{
    record->last_ms = now_ms;
    TAILQ_REMOVE(&table->by_age, record, age);
    TAILQ_INSERT_TAIL(&table->by_age, record, age);
}

static unsigned prefix_of(const struct ip_address *address)
{
    return ip_address_is_v4(address) ? V4_NETWORK : V6_NETWORK;
}

static bool is_known(struct guesses *guesses, const char *user, const struct ip_address *address,
                     int64_t now_ms)
{
    const struct guess_record *record =
        find(&guesses->known, address, ONE_ADDRESS, user, now_ms, LOOK);
    return record && now_ms - record->last_ms <= GUESSES_KNOWN_MS;
}

/* Counts one more, up to `most`. Returns how many failed before. */
static unsigned count(struct guesses *guesses, const char *user, const struct ip_address *address,
                      unsigned prefix, unsigned most, int64_t now_ms)
{
    struct guess_record *record = find(&guesses->counts, address, prefix, user, now_ms, MAKE);
    if (!record)
        return 0;
    if (now_ms - record->last_ms > GUESSES_FORGET_MS)
        record->failures = 0;
    if (record->failures >= most)
        return record->failures;
    touch(&guesses->counts, record, now_ms);
    return record->failures++;
}

bool guesses_begin(struct guesses *guesses, const char *user, const struct ip_address *address,
                   int64_t now_ms, int64_t *delay_ms)
{
    *delay_ms = 0;
    if (is_known(guesses, user, address, now_ms))
        return true;
    unsigned prefix = prefix_of(address);
    unsigned of_network = count(guesses, "", address, prefix, GUESSES_MAX_FAILS, now_ms);
    unsigned of_user = count(guesses, user, address, prefix, GUESSES_MAX_FAILS, now_ms);
    unsigned most = of_network > of_user ? of_network : of_user;
    if (most >= GUESSES_MAX_FAILS)
        return false;
    if (!ip_address_is_v4(address) &&
        count(guesses, "", address, V6_SITE, GUESSES_SITE_FAILS, now_ms) >= GUESSES_SITE_FAILS)
        return false;
    if (most >= GUESSES_FREE)
        *delay_ms = (int64_t)GUESSES_DELAY_MS << (most - GUESSES_FREE);
    return true;
}

static void take_back(struct guesses *guesses, const char *user, const struct ip_address *address,
                      unsigned prefix, int64_t now_ms)
{
    struct guess_record *record = find(&guesses->counts, address, prefix, user, now_ms, LOOK);
    if (record && record->failures > 0 && --record->failures == 0)
        forget(&guesses->counts, record);
}

/* Its record; NULL: no memory. */
static struct guess_record *know(struct guesses *guesses, const char *user,
                                 const struct ip_address *address, int64_t last_ms)
{
    struct guess_record *record = find(&guesses->known, address, ONE_ADDRESS, user, last_ms, MAKE);
    if (record)
        touch(&guesses->known, record, last_ms);
    return record;
}

bool guesses_right(struct guesses *guesses, const char *user, const struct ip_address *address,
                   int64_t now_ms)
{
    bool known = is_known(guesses, user, address, now_ms);
    if (!known) {
        unsigned prefix = prefix_of(address);
        take_back(guesses, "", address, prefix, now_ms);
        take_back(guesses, user, address, prefix, now_ms);
        if (!ip_address_is_v4(address))
            take_back(guesses, "", address, V6_SITE, now_ms);
    }
    struct guess_record *record = know(guesses, user, address, now_ms);
    if (!record || (known && now_ms - record->kept_ms < DAY_MS))
        return false;
    record->kept_ms = now_ms;
    return true;
}

void guesses_know(struct guesses *guesses, const char *user, const struct ip_address *address,
                  int64_t age_ms, int64_t now_ms)
{
    struct guess_record *record =
        age_ms <= GUESSES_KNOWN_MS ? know(guesses, user, address, now_ms - age_ms) : NULL;
    if (record)
        record->kept_ms = now_ms - age_ms;
}

size_t guesses_known(const struct guesses *guesses)
{
    return guesses->known.records.count;
}

void guesses_each_known(const struct guesses *guesses, int64_t now_ms,
                        void (*each)(void *context, const char *user,
                                     const struct ip_address *address, int64_t age_ms),
                        void *context)
{
    const struct guess_record *record;
    TAILQ_FOREACH(record, &guesses->known.by_age, age)
    {
        struct network network;
        char user[SASL_MAX_OCTETS + 1];
        size_t size = record->size - sizeof network;
        if (now_ms - record->last_ms > GUESSES_KNOWN_MS || size >= sizeof user)
            continue;
        memcpy(&network, record->key, sizeof network);
        memcpy(user, record->key + sizeof network, size);
        user[size] = 0;
        each(context, user, &network.address, now_ms - record->last_ms);
    }
}
