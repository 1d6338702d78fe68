/*
 * siphash.h - SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for tables whose keys
 * strangers choose. Who does not know the key cannot find keys that collide. No state; any thread.
 */
#ifndef MXHOOK_SIPHASH_H
#define MXHOOK_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/* Of `size` bytes under that key. */
uint64_t siphash(const uint64_t key[2], const void *bytes, size_t size);
/* The same of the number's eight bytes, the lowest first. */
uint64_t siphash_number(const uint64_t key[2], uint64_t number);

#endif
