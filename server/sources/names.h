/*
 * names.h - every address that a table had at one moment, so that it need not be asked for those that it has
 * not: while strangers guess names, a hundred thousand of them cost a query or two.
 *
 * A set of hashes of 64 bits (map_hash()): what is in the table is always found in it;
 * something else is by chance one time in 10^13, and is then asked for. 16 bytes an address. One thread at a time.
 */
#ifndef MXHOOK_SOURCES_NAMES_H
#define MXHOOK_SOURCES_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names {       /* all zero: empty */
    uint64_t *slots; /* 0: free */
    size_t capacity, count;
};

int names_expect(struct names *names, size_t count); /* makes room beforehand; 0 or -ENOMEM */
int names_add(struct names *names, const char *address, size_t size); /* 0 or -ENOMEM */
bool names_have(const struct names *names, const char *address, size_t size);
void names_free(struct names *names);

#endif
