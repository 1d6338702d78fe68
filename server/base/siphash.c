#include "siphash.h"

#include <endian.h>
#include <string.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline struct sip sip_begin(const uint64_t key[2])
{
    return (struct sip){key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                        key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

static inline uint64_t sip_end(struct sip *s, uint64_t last)
{
    sip_word(s, last);
    s->v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t siphash(const uint64_t key[2], const void *bytes, size_t size)
{
    struct sip s = sip_begin(key);
    const unsigned char *at = bytes;
    size_t rest = size;
    uint64_t word;
    for (; rest >= sizeof word; at += sizeof word, rest -= sizeof word) {
        memcpy(&word, at, sizeof word);
        sip_word(&s, le64toh(word));
    }
    word = (uint64_t)size << 56;
    for (size_t i = 0; i < rest; i++)
        word |= (uint64_t)at[i] << (8 * i);
    return sip_end(&s, word);
}

uint64_t siphash_number(const uint64_t key[2], uint64_t number)
{
    struct sip s = sip_begin(key);
    sip_word(&s, number);
    return sip_end(&s, (uint64_t)sizeof number << 56);
}
