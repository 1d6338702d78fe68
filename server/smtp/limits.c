#include "limits.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define BUCKETS     4096  /* of the hash table */
#define MINUTE_MS   60000 /* a message costs so much: a minute brings that, times the rate */
#define V4_NETWORK  (96 + 24)
#define V6_NETWORK  64
#define ONE_ADDRESS 128

struct entry {
    struct entry *chain;         /* in its bucket of the table */
    struct entry *older, *newer; /* among those without a connection */
    struct network key;
    size_t connections;
    int64_t debt;       /* what the messages of late have cost; time pays it off */
    int64_t counted_ms; /* when debt was that */
};

struct limits {
    uint64_t seed; /* so that nobody can choose addresses that share a bucket */
    struct entry *table[BUCKETS];
    struct entry *oldest, *newest;
    size_t idle, count;
    int64_t rate; /* messages per minute, as last given */
};

struct limits *limits_new(void)
{
    struct limits *limits = calloc(1, sizeof *limits);
    if (limits)
        uv_random(NULL, NULL, &limits->seed, sizeof limits->seed, 0, NULL);
    return limits;
}

void limits_free(struct limits *limits)
{
    for (size_t i = 0; limits && i < BUCKETS; i++)
        for (struct entry *e = limits->table[i], *next; e; e = next) {
            next = e->chain;
            free(e);
        }
    free(limits);
}

static struct entry **bucket(struct limits *limits, const struct network *key)
{
    uint64_t parts[2], hash = limits->seed ^ key->prefix;
    memcpy(parts, key->address.bytes, sizeof parts);
    for (int i = 0; i < 2; i++) { /* the finalizer of MurmurHash3, each time */
        hash ^= parts[i];
        hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;
        hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53u;
        hash ^= hash >> 33;
    }
    return &limits->table[hash % BUCKETS];
}

static bool same(const struct network *a, const struct network *b)
{
    return a->prefix == b->prefix && memcmp(&a->address, &b->address, sizeof a->address) == 0;
}

static struct entry *find(struct limits *limits, const struct network *key)
{
    struct entry *e = *bucket(limits, key);
    while (e && !same(&e->key, key))
        e = e->chain;
    return e;
}

static struct entry *find_or_add(struct limits *limits, const struct network *key)
{
    struct entry *e = find(limits, key);
    if (e)
        return e;
    e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    struct entry **head = bucket(limits, key);
    e->key = *key;
    e->chain = *head;
    *head = e;
    limits->count++;
    return e;
}

static void forget(struct limits *limits, struct entry *e)
{
    struct entry **link = bucket(limits, &e->key);
    while (*link != e)
        link = &(*link)->chain;
    *link = e->chain;
    limits->count--;
    free(e);
}

/* Without a connection. */

static void put_idle(struct limits *limits, struct entry *e)
{
    e->older = limits->newest;
    e->newer = NULL;
    if (e->older)
        e->older->newer = e;
    else
        limits->oldest = e;
    limits->newest = e;
    limits->idle++;
}

static void take_idle(struct limits *limits, struct entry *e)
{
    if (e->older)
        e->older->newer = e->newer;
    else
        limits->oldest = e->newer;
    if (e->newer)
        e->newer->older = e->older;
    else
        limits->newest = e->older;
    limits->idle--;
}

static void pay(const struct limits *limits, struct entry *e, int64_t now_ms)
{
    int64_t elapsed = now_ms - e->counted_ms;
    e->counted_ms = now_ms;
    if (elapsed >= MINUTE_MS) /* that pays off the most there can be */
        e->debt = 0;
    e->debt -= elapsed * limits->rate;
    if (e->debt < 0)
        e->debt = 0;
}

/* The rest of the list is newer; a few of each call keep up with those that come. */
static void forget_idle(struct limits *limits, int64_t now_ms)
{
    for (int i = 0; i < 4 && limits->oldest; i++) {
        struct entry *e = limits->oldest;
        pay(limits, e, now_ms);
        if (e->debt > 0 && limits->idle <= LIMITS_IDLE_MAX)
            return;
        take_idle(limits, e);
        forget(limits, e);
    }
}

static void connect_entry(struct limits *limits, struct entry *e)
{
    if (e->connections++ == 0 && e->debt > 0)
        take_idle(limits, e);
}

/* An entry is in the idle list where it has no connection, and a debt. */
static void disconnect_entry(struct limits *limits, struct entry *e, int64_t now_ms)
{
    if (--e->connections > 0)
        return;
    pay(limits, e, now_ms);
    if (e->debt > 0)
        put_idle(limits, e);
    else
        forget(limits, e);
}

/* What others call. */

static struct network network_around(const struct ip_address *address)
{
    return network_of(address, ip_address_is_v4(address) ? V4_NETWORK : V6_NETWORK);
}

static bool has_room(const struct entry *e, size_t limit)
{
    return !e || limit == 0 || e->connections < limit;
}

enum limits_answer limits_enter(struct limits *limits, const struct access_config *access,
                                const struct ip_address *address, int64_t now_ms)
{
    struct network one = network_of(address, ONE_ADDRESS), around = network_around(address);
    limits->rate = (int64_t)access->messages_per_minute;
    forget_idle(limits, now_ms);
    if (!has_room(find(limits, &one), access->connections_per_address))
        return LIMITS_ADDRESS;
    if (!has_room(find(limits, &around), access->connections_per_network))
        return LIMITS_NETWORK;
    struct entry *a = find_or_add(limits, &one);
    struct entry *n = a ? find_or_add(limits, &around) : NULL;
    if (!n) {
        if (a && a->connections == 0 && a->debt == 0)
            forget(limits, a);
        return LIMITS_NO_MEMORY;
    }
    connect_entry(limits, a);
    connect_entry(limits, n);
    return LIMITS_FINE;
}

void limits_leave(struct limits *limits, const struct ip_address *address, int64_t now_ms)
{
    struct network one = network_of(address, ONE_ADDRESS), around = network_around(address);
    disconnect_entry(limits, find(limits, &one), now_ms);
    disconnect_entry(limits, find(limits, &around), now_ms);
    forget_idle(limits, now_ms);
}

bool limits_take_message(struct limits *limits, const struct access_config *access,
                         const struct ip_address *address, int64_t now_ms)
{
    limits->rate = (int64_t)access->messages_per_minute;
    if (limits->rate == 0)
        return true;
    struct network one = network_of(address, ONE_ADDRESS);
    struct entry *e = find(limits, &one);
    pay(limits, e, now_ms);
    if (e->debt + MINUTE_MS > limits->rate * MINUTE_MS)
        return false;
    e->debt += MINUTE_MS;
    return true;
}

size_t limits_count(const struct limits *limits)
{
    return limits->count;
}
