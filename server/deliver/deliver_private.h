/* deliver_private.h - what deliver.c (what is in hand) and flight.c (attempts) share. */
#ifndef MXHOOK_DELIVER_DELIVER_PRIVATE_H
#define MXHOOK_DELIVER_DELIVER_PRIVATE_H

#include "attempt.h"
#include "deliver.h"
#include "origins.h"

/* An attempt under way, in the list of all of them. */
struct flight {
    struct flight *next, **link;
    struct deliver *deliver;
    struct origin *origin;
    struct delivery *delivery;
    struct attempt *attempt;
};

enum deliver_state { DELIVER_IDLE, DELIVER_RUNNING, DELIVER_STOPPING, DELIVER_FREED };

struct deliver {
    enum deliver_state state;
    uv_loop_t *loop;
    struct config *config;
    struct spool *spool;
    struct senders *senders;
    struct origins origins;
    struct flight *flights;
    size_t in_hand, in_flight;
    uint64_t bytes;
    struct claim claim;
    bool claiming;
    bool more; /* the spool has something due that was not brought */
    uv_timer_t timer;
    bool timer_open;
    int64_t wake_ms; /* that the timer is set for, on the monotonic clock; INT64_MAX: not set */
    uint32_t random;
    void (*idle)(void *context);
    void *idle_context;
};

/* deliver.c. Out of hand: the caller gives the delivery to the spool. */
void deliver_put_down(struct deliver *d, struct origin *origin, const struct delivery *delivery);
/* Gives back what has not begun. */
void deliver_release_ready(struct deliver *d, struct origin *origin);
/* Tells the spool of an origin's breaker. */
void deliver_hold(struct deliver *d, const struct origin *origin);
/* Looks at the spool after so long, or earlier. */
void deliver_set_timer(struct deliver *d, int64_t wait_ms);
/* Asks the spool for what is due, as much as there is room for. */
void deliver_claim(struct deliver *d);
/* Begins as many attempts as the limits allow. */
void deliver_pump(struct deliver *d);

/* flight.c. Begins an attempt: 0 or -ENOMEM. */
int flight_begin(struct deliver *d, struct origin *origin, struct delivery *delivery);
/* Breaks all of them off; their deliveries go back to the spool. */
void flights_break_off(struct deliver *d);

#endif
