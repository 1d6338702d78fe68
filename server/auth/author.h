/*
 * author.h - the domains that From shows: whose mail a message claims to be.
 *
 * A receiver or a person may be shown any address of any From, so all count (RFC 7489 section
 * 6.6.1): of several fields, of groups, behind what cannot be read. Display names do not where there is
 * an address: whoever may write one may write anything there, and mailing lists do put addresses into
 * them. Where an "@" is followed by what cannot be looked up, all that it may be taken for counts.
 *
 * flaw         why From cannot be evaluated by RFC 7489, although its domains are known
 */
#ifndef MXHOOK_AUTH_AUTHOR_H
#define MXHOOK_AUTH_AUTHOR_H

#include "../base/arena.h"
#include "head.h"

#define AUTHOR_DOMAINS_MAX 8 /* that are looked at; honest mail has one, seldom two */
#define AUTHOR_TRIES_MAX                                                                           \
    1000 /* what may be a domain; as many addresses fit, and fewer where they are unclear */

struct author {
    const char *domains[AUTHOR_DOMAINS_MAX]; /* as dns_name() makes them, each once */
    size_t count;
    bool more;        /* there are others */
    unsigned tried;   /* of AUTHOR_TRIES_MAX */
    const char *flaw; /* a static text; NULL: none */
};

/* Strings are in `arena`. 0 or -ENOMEM. */
int author_read(const struct head *head, struct arena *arena, struct author *out);

#endif
