/*
 * guesses.h - failed logins, across connections: who guesses passwords gets slower, and then no
 * answer for a while.
 *
 * Counted by network (/24 of IPv4, /64 of IPv6), by user and network, and by site (/48 of IPv6, which
 * is what a customer of a provider has): so that hanging up, or many addresses or networks of one
 * guesser, escape nothing, and nobody can lock a user out elsewhere. An attempt counts from when it
 * begins, so that many at once do not all get in before the first has failed. A count is forgotten
 * GUESSES_FORGET_MS after its last failure.
 *
 * An address that logged in as a user within GUESSES_KNOWN_MS may fail as that user without delay:
 * a printer must not be locked out by strangers. These are kept over restarts (known_logins.h), and
 * apart from the counts, so that no number of guesses makes them be forgotten.
 *
 * One thread. Time is given, in ms, and never goes back. Memory is bounded by GUESSES_MAX.
 */
#ifndef MXHOOK_SMTP_GUESSES_H
#define MXHOOK_SMTP_GUESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/network.h"

#define GUESSES_FREE       3    /* failures without more delay than the session's own */
#define GUESSES_MAX_FAILS  10   /* of a network, or a user there: then refused unasked */
#define GUESSES_SITE_FAILS 40   /* of a site: then refused unasked */
#define GUESSES_DELAY_MS   1000 /* after GUESSES_FREE; doubled by each further one */
#define GUESSES_FORGET_MS  (15 * 60 * 1000)      /* of a count: also how long it is refused */
#define GUESSES_KNOWN_MS   (30ll * 24 * 3600000) /* since a login that worked */
#define GUESSES_MAX        10000 /* counts, and as many known addresses; the oldest goes */

struct guesses;

struct guesses *guesses_new(void);          /* NULL: no memory */
void guesses_free(struct guesses *guesses); /* takes NULL */

/* An attempt begins. False: it is to be refused without looking at the password. Else *delay_ms is
 * how long the answer is to be delayed where it is wrong. */
bool guesses_begin(struct guesses *guesses, const char *user, const struct ip_address *address,
                   int64_t now_ms, int64_t *delay_ms);
/* The password was right: what this attempt counted for is taken back. True where that is worth
 * keeping: the address was not known, or has been for a day since this was said. */
bool guesses_right(struct guesses *guesses, const char *user, const struct ip_address *address,
                   int64_t now_ms);

/* A login that worked, `age_ms` before now, as another process knew it; nothing where that is too
 * long ago. To be called with the oldest first. */
void guesses_know(struct guesses *guesses, const char *user, const struct ip_address *address,
                  int64_t age_ms, int64_t now_ms);
/* How many addresses there are; some may not be known any more. */
size_t guesses_known(const struct guesses *guesses);
/* Calls `each` for every address that is known still, the oldest first. */
void guesses_each_known(const struct guesses *guesses, int64_t now_ms,
                        void (*each)(void *context, const char *user,
                                     const struct ip_address *address, int64_t age_ms),
                        void *context);

#endif
