/*
 * questions.h - what the rules of one message have asked of the world outside, and what they heard.
 *
 * A rule runs with the answers that there are; where one is missing the question is noted and the rule
 * is stopped (-EAGAIN), and run again once it is answered: so no worker waits, and what waits takes no
 * thread. A question is asked once for a message, however short its answer lives, so running again
 * comes to an end. (auth/lookups.h does the same for DNS.)
 *
 * given        a test of rules says beforehand what is answered; nobody is asked
 */
#ifndef MXHOOK_LOOKUP_QUESTIONS_H
#define MXHOOK_LOOKUP_QUESTIONS_H

#include <stdbool.h>

#include "../config/config.h"
#include "lookup_answer.h"

#define QUESTIONS_MAX     4000 /* of one message: some for each recipient */
#define QUESTIONS_AT_ONCE 60 /* about as many as an application is asked at once (sources/http.c) */

struct question {
    enum lookup_kind kind;
    char *source, *address;
    struct lookup_answer *answer; /* a reference; NULL: not yet */
};

/* All zero: empty. One thread at a time; while it is asked for (lookup.h), the room's. */
struct questions {
    struct question *items;
    size_t count, capacity;
    bool given;
};

/* 0, and *out lives as long as the questions; it may be one that the source's cache has. -EAGAIN: noted,
 * ask. -ENOENT: `given`, and nothing is said of that source. -E2BIG: over the limit. -ENOMEM. */
int questions_get(struct questions *questions, enum lookup_kind kind, const char *source,
                  const char *address, const struct lookup_answer **out);

/* Adds an answer beforehand; `address` NULL: for all that is not named. Takes a reference of its own. 0 or -ENOMEM. */
int questions_give(struct questions *questions, enum lookup_kind kind, const char *source,
                   const char *address, struct lookup_answer *answer);

/* How many have no answer yet, from the one of index `since` on. */
size_t questions_open(const struct questions *questions, size_t since);

void questions_free(struct questions *questions); /* what it holds; it is empty then */

#endif
