/*
 * deliver_private.h - what the files of deliver.h share; nobody else includes it.
 *
 * deliver.c          its life, and its timer
 * deliver_flow.c     the way of a delivery: from the spool, its attempt, and back
 * deliver_changes.c  what the schedule says, told to the log and the spool
 *
 * Each uses those below it. All on the loop's thread.
 */
#ifndef MXHOOK_DELIVER_DELIVER_PRIVATE_H
#define MXHOOK_DELIVER_DELIVER_PRIVATE_H

#include "deliver.h"
#include "schedule.h"
#include "senders.h"

#define DELIVER_WAKE_MAX_MS 60000 /* looks at the spool at least so often: clocks may jump */

enum deliver_state { DELIVER_IDLE, DELIVER_RUNNING, DELIVER_STOPPING, DELIVER_FREED };

/* A delivery in hand; in the list once its attempt is under way. */
struct delivery_job {
    struct job job; /* first */
    struct delivery_job *next, **link;
    struct deliver *deliver;
    struct delivery *delivery;
    struct attempt *attempt;
};

struct deliver {
    enum deliver_state state;
    uv_loop_t *loop;
    struct config *config;
    struct spool *spool;
    struct senders *senders;
    struct schedule *schedule;
    struct delivery_job *flights;
    struct claim claim;
    bool claiming;
    bool more; /* the spool has something due that was not brought */
    uv_timer_t timer;
    uv_timer_cb on_timer; /* of deliver.c */
    bool timer_open;
    int64_t wake_ms;   /* that the timer is set for, on the monotonic clock; INT64_MAX: not set */
    int64_t ask_ms;    /* the same: when to ask the spool */
    int64_t tidied_ms; /* when the schedule last was */
    uint32_t random;
    void (*idle)(void *context);
    void *idle_context;
};

/* ---- deliver_flow.c ---- */

/* Begins as many attempts as may. */
void deliver_pump(struct deliver *d);
/* Asks for what is due, as much as there is room for. */
void deliver_ask_spool(struct deliver *d);
/* Gives up the attempts under way: their deliveries go back to the spool. */
void deliver_break_off(struct deliver *d);
/* Frees the struct, once nothing is to come any more. */
void deliver_dispose_if_over(struct deliver *d);

/* ---- deliver_changes.c ---- */

/* The timer comes by then, if it would not before; at the latest after DELIVER_WAKE_MAX_MS. */
void deliver_set_timer(struct deliver *d, int64_t wait_ms);
/* The spool may have something then. */
void deliver_ask_in(struct deliver *d, int64_t wait_ms);
/* Tells the log and the spool; `error`: of the attempt that has ended, if one has. Returns until when
 * (Unix time) its destination is held after 410 in a row; 0: it is not. */
int64_t deliver_take_changes(struct deliver *d, const char *error);

#endif
