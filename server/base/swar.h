/*
 * swar.h - eight bytes looked at in one word: which of them is the first that is something special.
 *
 * A mask has the top bit set of the first byte that is, and of none before it; behind it the bits say nothing. Text is
 * mostly bytes that need nothing done, and is walked four to eight times as fast by words.
 */
#ifndef MXHOOK_SWAR_H
#define MXHOOK_SWAR_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SWAR_SIZE sizeof(uint64_t)
#define SWAR_ONES UINT64_C(0x0101010101010101)
#define SWAR_TOPS UINT64_C(0x8080808080808080)

/* The first byte in memory is the lowest of the word. */
static inline uint64_t swar_load(const void *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

static inline uint64_t swar_below(uint64_t word, uint8_t least) /* up to 128 */
{
    return (word - SWAR_ONES * least) & ~word & SWAR_TOPS;
}

static inline uint64_t swar_equal(uint64_t word, char byte)
{
    return swar_below(word ^ (SWAR_ONES * (uint8_t)byte), 1);
}

/* Where the first one is, of a mask that is not 0. */
static inline size_t swar_first(uint64_t mask)
{
    return (size_t)__builtin_ctzll(mask) / 8;
}

#endif
