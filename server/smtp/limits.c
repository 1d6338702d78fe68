#include "limits.h"

#include <stdlib.h>

#include "../base/map.h"

#define MINUTE_MS   60000 /* a message costs so much: a minute brings that, times the rate */
#define V4_NETWORK  (96 + 24)
#define V6_NETWORK  64
#define V6_SITE     48
#define ONE_ADDRESS 128

struct limits_entry {
    struct limits_entry *older, *newer; /* among those without a connection */
    struct network key;
    size_t connections;
    size_t waiting;     /* messages that are processed */
    int64_t debt;       /* what the messages of late have cost; time pays it off */
    int64_t counted_ms; /* when debt was that */
};

struct limits {
    struct map entries;
    struct limits_entry *oldest, *newest;
    size_t idle;
    int64_t rate; /* messages per minute, as last given */
};

static struct map_key network_key(const struct network *network)
{
    _Static_assert(sizeof *network == sizeof network->address + sizeof network->prefix,
                   "a key has no padding");
    return (struct map_key){network, sizeof *network};
}

static struct map_key key_of(const void *value)
{
    return network_key(&((const struct limits_entry *)value)->key);
}

struct limits *limits_new(void)
{
    struct limits *limits = calloc(1, sizeof *limits);
    if (limits)
        limits->entries.key_of = key_of;
    return limits;
}

void limits_free(struct limits *limits)
{
    if (!limits)
        return;
    for (size_t i = 0; i < limits->entries.capacity; i++)
        free(limits->entries.slots[i].value);
    map_free(&limits->entries);
    free(limits);
}

static struct limits_entry *find(struct limits *limits, const struct network *key)
{
    return map_find(&limits->entries, network_key(key));
}

static struct limits_entry *find_or_add(struct limits *limits, const struct network *key)
{
    struct limits_entry *e = find(limits, key);
    if (e)
        return e;
    e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->key = *key;
    if (map_add(&limits->entries, e) == 0)
        return e;
    free(e);
    return NULL;
}

static void forget(struct limits *limits, struct limits_entry *e)
{
    map_take(&limits->entries, key_of(e));
    free(e);
}

/* Without a connection. */

static void put_idle(struct limits *limits, struct limits_entry *e)
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

static void take_idle(struct limits *limits, struct limits_entry *e)
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

static void pay(const struct limits *limits, struct limits_entry *e, int64_t now_ms)
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
        struct limits_entry *e = limits->oldest;
        pay(limits, e, now_ms);
        if (e->debt > 0 && limits->idle <= LIMITS_IDLE_MAX)
            return;
        take_idle(limits, e);
        forget(limits, e);
    }
}

static void connect_entry(struct limits *limits, struct limits_entry *e)
{
    if (e->connections++ == 0 && e->debt > 0)
        take_idle(limits, e);
}

/* An entry is in the idle list where it has no connection, and a debt. */
static void disconnect_entry(struct limits *limits, struct limits_entry *e, int64_t now_ms)
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

static bool has_room(const struct limits_entry *e, size_t limit)
{
    return !e || limit == 0 || e->connections < limit;
}

/* The address, its network and, of IPv6, its site; how many. */
static size_t keys_of(const struct ip_address *address, struct network keys[3])
{
    keys[0] = network_of(address, ONE_ADDRESS);
    keys[1] = network_around(address);
    if (ip_address_is_v4(address))
        return 2;
    keys[2] = network_of(address, V6_SITE);
    return 3;
}

/* What limits_enter() has made so far, where it cannot make all. */
static void forget_unused(struct limits *limits, struct limits_entry **entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (entries[i]->connections == 0 && entries[i]->debt == 0)
            forget(limits, entries[i]);
}

enum limits_answer limits_enter(struct limits *limits, const struct access_config *access,
                                const struct ip_address *address, int64_t now_ms)
{
    static const enum limits_answer answers[] = {LIMITS_ADDRESS, LIMITS_NETWORK, LIMITS_SITE};
    const size_t most[] = {access->connections_per_address, access->connections_per_network,
                           access->connections_per_site};
    struct network keys[3];
    struct limits_entry *entries[3];
    size_t count = keys_of(address, keys);
    limits->rate = (int64_t)access->messages_per_minute;
    forget_idle(limits, now_ms);
    for (size_t i = 0; i < count; i++)
        if (!has_room(find(limits, &keys[i]), most[i]))
            return answers[i];
    for (size_t i = 0; i < count; i++) {
        entries[i] = find_or_add(limits, &keys[i]);
        if (!entries[i]) {
            forget_unused(limits, entries, i);
            return LIMITS_NO_MEMORY;
        }
    }
    for (size_t i = 0; i < count; i++)
        connect_entry(limits, entries[i]);
    return LIMITS_FINE;
}

void limits_leave(struct limits *limits, const struct ip_address *address, int64_t now_ms)
{
    struct network keys[3];
    size_t count = keys_of(address, keys);
    for (size_t i = 0; i < count; i++)
        disconnect_entry(limits, find(limits, &keys[i]), now_ms);
    forget_idle(limits, now_ms);
}

static struct limits_entry *entry_around(struct limits *limits, const struct ip_address *address)
{
    struct network around = network_around(address);
    return find(limits, &around);
}

void limits_begin_waiting(struct limits *limits, const struct ip_address *address)
{
    entry_around(limits, address)->waiting++;
}

void limits_end_waiting(struct limits *limits, const struct ip_address *address)
{
    entry_around(limits, address)->waiting--;
}

size_t limits_waiting(struct limits *limits, const struct ip_address *address)
{
    const struct limits_entry *e = entry_around(limits, address);
    return e ? e->waiting : 0;
}

bool limits_take_message(struct limits *limits, const struct access_config *access,
                         const struct ip_address *address, int64_t now_ms)
{
    limits->rate = (int64_t)access->messages_per_minute;
    if (limits->rate == 0)
        return true;
    struct network one = network_of(address, ONE_ADDRESS);
    struct limits_entry *e = find(limits, &one);
    pay(limits, e, now_ms);
    if (e->debt + MINUTE_MS > limits->rate * MINUTE_MS)
        return false;
    e->debt += MINUTE_MS;
    return true;
}
