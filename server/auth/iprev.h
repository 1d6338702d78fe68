/*
 * iprev.h - the client's name: what its address is called in DNS, where that name has the address
 * (RFC 8601 section 3).
 */
#ifndef MXHOOK_AUTH_IPREV_H
#define MXHOOK_AUTH_IPREV_H

#include "lookups.h"
#include "result.h"

#define IPREV_NAMES_MAX 10 /* PTR records that are followed; others do not count */

/* `size` bytes of address, 4 or 16. 0 and *out, its strings in `arena`; -EAGAIN: questions are
 * noted in `lookups`, and `arena` is untouched; or -ENOMEM. */
int iprev_check(const unsigned char *address, size_t size, struct lookups *lookups,
                struct arena *arena, struct iprev_result *out);

#endif
