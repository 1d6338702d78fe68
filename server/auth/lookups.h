/*
 * lookups.h - what one check has asked of DNS, and what it heard.
 *
 * A check computes with the answers that it has; where one is missing it notes the question and
 * stops with -EAGAIN, and is run again once there is an answer. So the computing never waits, and
 * what waits takes no thread. A question is asked once for a check, whatever its TTL, so running
 * again comes to an end.
 */
#ifndef MXHOOK_AUTH_LOOKUPS_H
#define MXHOOK_AUTH_LOOKUPS_H

#include "../dns/dns_answer.h"

#define LOOKUPS_MAX                                                                                \
    300 /* of one check: RFC 7208 section 4.6.4 allows some 130, the client's name, DKIM, DMARC and   \
           blocklists add to it; what a sender causes must leave room for DMARC's */

struct lookup {
    char name[DNS_NAME_MAX + 1];
    enum record_type type;
    struct dns_answer *answer; /* a reference; NULL: not yet */
};

/* All zero: empty. One thread at a time. */
struct lookups {
    struct lookup *items;
    size_t count, capacity;
};

/* 0, and *out is valid as long as `lookups`. A name that cannot be asked for has no records.
 * -EAGAIN: noted, ask. -E2BIG: over the limit. -ENOMEM. */
int lookups_get(struct lookups *lookups, const char *name, enum record_type type,
                const struct dns_answer **out);

/* The same without noting anything: NULL where it was not asked or not answered. */
const struct dns_answer *lookups_find(const struct lookups *lookups, const char *name,
                                      enum record_type type);

void lookups_free(struct lookups *lookups); /* drops the answers; it is empty then */

#endif
