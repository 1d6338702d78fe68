/*
 * dns.h - questions to DNS on a loop, by c-ares, with a cache.
 *
 * resolver     a recursive name server that is asked
 * waiter       who wants an answer; the same question of several waiters is asked once
 * breaker      while no resolver answers at all, every question fails at once, but for a probe each
 *              second; so a dead resolver holds nobody up
 *
 * A name whose own servers are dead does not open the breaker: what counts is whether a resolver
 * answers for the root. All functions: the loop's thread.
 */
#ifndef MXHOOK_AUTH_DNS_H
#define MXHOOK_AUTH_DNS_H

#include <uv.h>

#include "../config.h"
#include "../error.h"
#include "answer.h"

struct dns;

struct dns_waiter {
    struct dns_waiter *next, **link; /* for dns.c */
    /* Gets a reference; never called from inside dns_ask(). */
    void (*done)(struct dns_waiter *waiter, struct answer *answer);
};

/* *out is closed by dns_close(). 0 or a negative errno. */
int dns_open(uv_loop_t *loop, const struct auth_config *config, struct dns **out,
             struct error *err);

/* Nobody waits any more. Frees itself when the loop next runs. Takes NULL. */
void dns_close(struct dns *dns);

/* `name` is one that dns_name() made. An answer that is there is returned, a reference; else NULL,
 * and the waiter, which must stay where it is, gets it later or is forgotten. Without memory: a
 * failed answer, or NULL and *code = -ENOMEM. */
struct answer *dns_ask(struct dns *dns, const char *name, enum record_type type,
                       struct dns_waiter *waiter, int *code);

/* The waiter gets nothing any more. */
void dns_forget(struct dns_waiter *waiter);

#endif
