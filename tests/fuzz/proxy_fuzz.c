/* PROXY headers: what is read of one does not depend on how its bytes are cut, and no byte after it
 * is taken. The first bytes of the input say where to cut. */
#include <string.h>

#include "fuzz.h"
#include "smtp/proxy.h"

#define CUTS 4

struct outcome {
    enum proxy_result result;
    size_t used;
    struct proxy_client client;
    const char *reason;
};

/* Pieces of cuts[i % CUTS] bytes, 0 for all that is left. */
static struct outcome take(const uint8_t *bytes, size_t size, const uint8_t cuts[CUTS])
{
    struct proxy_reader *reader = proxy_reader_new();
    struct outcome o = {.result = PROXY_MORE};
    EXPECT(reader);
    for (size_t i = 0; o.result == PROXY_MORE && o.used < size; i++) {
        size_t used, piece = cuts[i % CUTS];
        if (piece == 0 || piece > size - o.used)
            piece = size - o.used;
        char *copy = malloc(piece); /* of its own, so that a read past it is seen */
        EXPECT(copy);
        memcpy(copy, bytes + o.used, piece);
        o.result = proxy_take(reader, copy, piece, &used, &o.client, &o.reason);
        free(copy);
        EXPECT(used <= piece && (used == piece || o.result != PROXY_MORE));
        o.used += used;
    }
    proxy_reader_free(reader);
    return o;
}

static void expect_same(const struct outcome *a, const struct outcome *b)
{
    EXPECT(a->result == b->result && a->used == b->used);
    if (a->result == PROXY_BAD)
        EXPECT(strcmp(a->reason, b->reason) == 0);
    if (a->result == PROXY_DONE)
        EXPECT(memcmp(&a->client, &b->client, sizeof a->client) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t none[CUTS] = {0}, ones[CUTS] = {1, 1, 1, 1};
    if (size < CUTS)
        return -1;
    const uint8_t *bytes = data + CUTS;
    size -= CUTS;
    struct outcome whole = take(bytes, size, none), cut = take(bytes, size, data),
                   single = take(bytes, size, ones);
    expect_same(&whole, &cut);
    expect_same(&whole, &single);
    EXPECT(whole.used <= PROXY_MAX_OCTETS);
    EXPECT(whole.result != PROXY_MORE || whole.used == size);
    EXPECT(whole.result != PROXY_DONE || !whole.client.known || whole.client.port <= 65535);
    if (whole.result != PROXY_DONE)
        return 0;
    struct outcome alone = take(bytes, whole.used, none); /* nothing after it mattered */
    expect_same(&whole, &alone);
    return 0;
}
