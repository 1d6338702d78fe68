#include "resends.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "../base/map.h"
#include "../base/network.h"
#include "../base/siphash.h"
#include "../base/spill.h"

#define CHUNK 65536

struct receipt {
    struct receipt *same;        /* the next with the same key */
    TAILQ_ENTRY(receipt) by_age; /* of the lost ones */
    uint64_t key, digest;        /* digest 0: of the data, when it is needed */
    struct spill *data;
    bool lost;
    int64_t until_ms; /* a lost one; others count from then on */
    bool (*is_unread)(void *context);
    void *context;
    size_t count;
    struct reply replies[];
};

TAILQ_HEAD(receipts, receipt);

struct resends {
    struct map keys;           /* key -> the first struct receipt that has it */
    struct receipts lost_ones; /* the oldest first */
    size_t lost, lost_bytes, data_bytes;
};

static uint64_t seed[2]; /* never changes once main() has begun */

/* Without it strangers could make others' messages look like resends. */
__attribute__((constructor)) static void draw_seed(void)
{
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        abort();
}

struct resends *resends_new(void)
{
    struct resends *resends = calloc(1, sizeof *resends);
    if (resends)
        TAILQ_INIT(&resends->lost_ones);
    return resends;
}

static size_t bytes_of(const struct receipt *receipt)
{
    return sizeof *receipt + receipt->count * sizeof receipt->replies[0];
}

/* ---- What stands for a message ---- */

static uint64_t add_text(uint64_t hash, const char *text)
{
    const uint64_t key[2] = {seed[0] ^ hash, seed[1]};
    return siphash(key, text, strlen(text));
}

static uint64_t add_network(uint64_t hash, const char *client_ip)
{
    struct ip_address address;
    if (ip_address_parse(client_ip, &address) != 0)
        return add_text(hash, "");
    struct network network = network_of(&address, ip_address_is_v4(&address) ? 96 + 24 : 64);
    const uint64_t key[2] = {seed[0] ^ hash, seed[1]};
    return siphash(key, network.address.bytes, sizeof network.address.bytes);
}

uint64_t resends_key(const struct transaction *t)
{
    uint64_t hash = add_text(add_network(1, t->envelope.client_ip), t->envelope.sender);
    for (size_t i = 0; i < t->envelope.recipient_count; i++)
        hash = add_text(hash, t->envelope.recipients[i]);
    return hash;
}

/* 0: it cannot be read. */
static uint64_t digest_of(const struct spill *data)
{
    uint64_t hash = spill_size(data) + 1;
    char buffer[CHUNK];
    ssize_t n = 1;
    for (uint64_t at = 0; at < spill_size(data) && n > 0; at += n > 0 ? (uint64_t)n : 0) {
        const uint64_t key[2] = {seed[0] ^ hash, ~seed[1]};
        n = spill_read(data, at, buffer, sizeof buffer);
        hash = siphash(key, buffer, n > 0 ? (size_t)n : 0);
    }
    return n > 0 ? hash | 1 : 0;
}

/* ---- Receipts ---- */

static void link_key(struct resends *resends, struct receipt *receipt)
{
    receipt->same = map_get(&resends->keys, receipt->key);
    if (map_put(&resends->keys, receipt->key, receipt) != 0)
        receipt->key = 0; /* not found any more, and so no use: freed when its time comes */
}

static void unlink_key(struct resends *resends, struct receipt *receipt)
{
    struct receipt *first = map_get(&resends->keys, receipt->key), **link = &first;
    while (*link && *link != receipt)
        link = &(*link)->same;
    if (!*link)
        return;
    *link = receipt->same;
    if (!first || map_put(&resends->keys, receipt->key, first) != 0)
        map_remove(&resends->keys, receipt->key);
}

static void drop_data(struct resends *resends, struct receipt *receipt)
{
    if (!receipt->data)
        return;
    resends->data_bytes -= (size_t)spill_size(receipt->data);
    spill_free(receipt->data);
    receipt->data = NULL;
}

static void reckon(struct resends *resends, struct receipt *receipt)
{
    if (receipt->digest == 0 && receipt->data)
        receipt->digest = digest_of(receipt->data);
    drop_data(resends, receipt);
}

static void unlink_lost(struct resends *resends, struct receipt *receipt)
{
    if (!receipt->lost)
        return;
    TAILQ_REMOVE(&resends->lost_ones, receipt, by_age);
    resends->lost--;
    resends->lost_bytes -= bytes_of(receipt);
}

void receipt_confirm(struct resends *resends, struct receipt *receipt)
{
    unlink_key(resends, receipt);
    unlink_lost(resends, receipt);
    drop_data(resends, receipt);
    free(receipt);
}

static void forget_old(struct resends *resends, int64_t now_ms)
{
    struct receipt *oldest;
    while ((oldest = TAILQ_FIRST(&resends->lost_ones)) &&
           (oldest->until_ms <= now_ms || resends->lost > RESENDS_MAX ||
            resends->lost_bytes > RESENDS_BYTES_MAX))
        receipt_confirm(resends, oldest);
}

void receipt_lose(struct resends *resends, struct receipt *receipt, int64_t now_ms)
{
    reckon(resends, receipt);
    receipt->lost = true;
    receipt->is_unread = NULL;
    receipt->until_ms = now_ms + RESENDS_KEEP_MS;
    TAILQ_INSERT_TAIL(&resends->lost_ones, receipt, by_age);
    resends->lost++;
    resends->lost_bytes += bytes_of(receipt);
    forget_old(resends, now_ms);
}

static bool accepts_any(const struct receipt_terms *terms)
{
    for (size_t i = 0; i < terms->count; i++)
        if (terms->replies[i].code / 100 == 2)
            return true;
    return false;
}

static void forget_same(struct resends *resends, const struct receipt *receipt)
{
    for (struct receipt *r = receipt->same, *next; r; r = next) {
        next = r->same;
        if (r->lost && r->digest != 0 && r->digest == receipt->digest)
            receipt_confirm(resends, r);
    }
}

struct receipt *receipt_new(struct resends *resends, const struct receipt_terms *terms,
                            int64_t now_ms)
{
    size_t size = sizeof(struct receipt) + terms->count * sizeof terms->replies[0];
    struct receipt *receipt = accepts_any(terms) ? calloc(1, size) : NULL;
    if (!receipt)
        return NULL;
    *receipt = (struct receipt){.key = terms->key,
                                .digest = terms->digest,
                                .until_ms = now_ms + RESENDS_UNREAD_MS,
                                .is_unread = terms->is_unread,
                                .context = terms->context,
                                .count = terms->count};
    memcpy(receipt->replies, terms->replies, terms->count * sizeof terms->replies[0]);
    if (terms->digest == 0) {
        receipt->data = spill_ref(terms->data);
        resends->data_bytes += (size_t)spill_size(receipt->data);
    }
    if (resends->data_bytes > RESENDS_DATA_MAX)
        reckon(resends, receipt);
    link_key(resends, receipt);
    forget_same(resends, receipt);
    return receipt;
}

size_t resends_lost(const struct resends *resends)
{
    return resends->lost;
}

void resends_free(struct resends *resends)
{
    if (!resends)
        return;
    struct receipt *oldest;
    while ((oldest = TAILQ_FIRST(&resends->lost_ones)))
        receipt_confirm(resends, oldest);
    map_free(&resends->keys);
    free(resends);
}

/* ---- Resends ---- */

static struct earlier *earlier_of(const struct receipt *receipt)
{
    struct earlier *earlier = malloc(sizeof *earlier + receipt->count * sizeof receipt->replies[0]);
    if (!earlier)
        return NULL;
    *earlier = (struct earlier){.digest = receipt->digest, .count = receipt->count};
    memcpy(earlier->replies, receipt->replies, receipt->count * sizeof receipt->replies[0]);
    return earlier;
}

void resends_look_up(struct resends *resends, struct transaction *t, uint64_t key, int64_t now_ms)
{
    forget_old(resends, now_ms);
    for (struct receipt *r = map_get(&resends->keys, key); r; r = r->same) {
        if (!r->lost && (now_ms < r->until_ms || !r->is_unread(r->context)))
            continue;
        reckon(resends, r);
        struct earlier *earlier = r->digest ? earlier_of(r) : NULL;
        if (!earlier)
            continue;
        earlier->next = t->earlier;
        t->earlier = earlier;
    }
}

static bool take_replies(struct transaction *t, const struct earlier *earlier)
{
    size_t count = t->envelope.lmtp ? t->envelope.recipient_count : 1;
    if (earlier->count != count && earlier->count != 1)
        return false;
    t->reply = earlier->replies[0];
    if (earlier->count == 1)
        return true;
    t->replies = malloc(count * sizeof *t->replies);
    if (t->replies)
        memcpy(t->replies, earlier->replies, count * sizeof *t->replies);
    return t->replies;
}

bool resend_answer(struct transaction *t)
{
    if (t->earlier || spill_fd(t->data) >= 0)
        t->digest = digest_of(t->data);
    for (const struct earlier *e = t->earlier; e && t->digest; e = e->next)
        if (e->digest == t->digest)
            return take_replies(t, e);
    return false;
}
