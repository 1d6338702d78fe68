/* flight.h - inside the lookup room: who waits for what. The room's thread. */
#ifndef MXHOOK_LOOKUP_FLIGHT_H
#define MXHOOK_LOOKUP_FLIGHT_H

#include "source.h"

/* Somebody who waits for the answers to some questions. */
struct asking;

/* One question of an asking that waits for a flight. */
struct waiter {
    struct waiter *next;
    struct flight *flight; /* NULL: it does not wait */
    struct asking *asking;
    size_t question;
};

struct asking {
    struct task task; /* first: on its way to the room */
    struct questions *questions;
    void (*done)(void *context);
    void *context;
    size_t pending;  /* questions without an answer */
    bool waits;      /* all are asked */
    int64_t wait_ms; /* for the next answer */
    uv_timer_t timer;
    struct waiter waiters[]; /* one for each question */
};

/* lookup.c: the source of that name; NULL: there is none (any more). */
struct source *lookup_source(enum lookup_kind kind, const char *name);

/* A task's run(): begins an asking. `context` is the room. */
void asking_begin(struct task *task, void *context);

#endif
