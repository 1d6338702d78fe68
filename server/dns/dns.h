/*
 * dns.h - questions to DNS on a loop, by c-ares, with a cache.
 *
 * resolver     a recursive name server that is asked
 * question     a name and a type of record; asked by several at once, it goes out once
 * waiter       who wants the answer to a question
 * breaker      while no resolver answers at all, every question fails at once, but for a probe each
 *              second; so a dead resolver delays nothing
 *
 * A name whose own servers are dead does not open the breaker: what counts is whether a resolver
 * answers for the root.
 *
 * A loop that wants answers has a `struct dns` of its own (the auth room's thread has one); all
 * functions are for that loop's thread, and never block. A host's MX records, say:
 *
 *     struct look_up { struct dns_waiter waiter; ... };    (first: done() is given its address)
 *     char name[DNS_NAME_MAX + 1];
 *     if (!dns_name(domain, name)) ...                      nothing that DNS could know
 *     look_up->waiter.done = on_answer;
 *     struct dns_answer *answer = dns_ask(dns, name, RECORD_MX, &look_up->waiter, &code);
 *     if (answer) ...                                       it was in the cache: as on_answer()
 *     else if (code < 0) ...                                no memory
 *     else                                                  on_answer() is called, or dns_forget()
 *
 * The answer's records (dns_answer.h) are sorted by preference; dns_answer_unref() it when done. Of
 * DNS_NONE the domain's A and AAAA records are its mail host (RFC 5321 section 5.1), which are
 * asked for the same way; one record whose name is "." says that it takes no mail (RFC 7505);
 * DNS_FAILED is to be tried again later. Nothing is asked for longer than three times
 * dns.query_timeout for each resolver (c-ares waits twice as long at the second try), so a waiter
 * needs no timer of its own, but may have one.
 *
 * Where to start: a new type of record is read in dns_answer.c's read_record().
 */
#ifndef MXHOOK_DNS_DNS_H
#define MXHOOK_DNS_DNS_H

#include <uv.h>

#include "../config/config.h"
#include "../base/error.h"
#include "dns_answer.h"
#include "name.h"

struct dns;

struct dns_waiter {
    struct dns_waiter *next, **link; /* for dns.c */
    /* Gets a reference; never called from inside dns_ask(). It may ask, and forget others. */
    void (*done)(struct dns_waiter *waiter, struct dns_answer *answer);
};

/* *out is closed by dns_close(). 0 or a negative errno. Reads /etc/resolv.conf where `config` has
 * no resolvers. */
int dns_open(uv_loop_t *loop, const struct dns_config *config, struct dns **out, struct error *err);

/* Nobody waits any more: done() is not called. Frees itself when the loop next runs. Takes NULL. */
void dns_close(struct dns *dns);

/* `name` is one that dns_name() or dns_reverse_name() made. An answer that is there is returned, a
 * reference; else NULL, and the waiter, which must stay where it is, gets it later or is forgotten.
 * Without memory: a failed answer, or NULL and *code = -ENOMEM. */
struct dns_answer *dns_ask(struct dns *dns, const char *name, enum record_type type,
                           struct dns_waiter *waiter, int *code);

/* The waiter gets nothing any more. */
void dns_forget(struct dns_waiter *waiter);

#endif
