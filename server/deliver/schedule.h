/*
 * schedule.h - which delivery may be attempted next. It decides, without I/O and without a clock of
 * its own: every call is told the time, in ms of any clock that never goes back.
 *
 * job          a delivery in hand: ready, or under way
 * origin       scheme, host and port: connections are counted by it, and what did not reach it
 * lane         an origin and a path without query: a destination. Its answers count by it
 * open         an origin, or a lane, whose breaker (breaker.h) holds requests: of an origin
 *              that was not reached, of a lane that answered 5xx or not at all
 * pace         how fast a lane is sent to, and until when it is held (pace.h)
 * share        as many slots, and as much room in hand, as an origin may have while others want some
 *
 * deliver_flow.c joins it with the spool and the network: what is put in is taken out with
 * schedule_next(), and comes back with schedule_ended(). Whatever must wait for longer is handed out
 * by schedule_returned(), for the spool to keep; schedule_change() says what it is to hold.
 *
 * To add a reason to wait: schedule_lane_next() or schedule_origin_may() (schedule_private.h); what it is told
 * from, result to class, is result_class.h's.
 */
#ifndef MXHOOK_DELIVER_SCHEDULE_H
#define MXHOOK_DELIVER_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../config/config.h"
#include "../spool/pauses.h"
#include "result_class.h"

#define SCHEDULE_HAND_BYTES (16u * 1024 * 1024) /* payloads in memory, of all that is in hand */
#define SCHEDULE_NEVER      INT64_MAX

/* Embedded in the caller's struct, which stays where it is until the job is out again. */
struct job {
    struct job *next; /* the schedule's, as all of it */
    struct lane *lane;
    uint64_t bytes;
    int64_t begun_ms;
};

/* What is put in. */
struct job_terms {
    const char *url;      /* delivery_origin() */
    uint64_t bytes;       /* of its payload, in memory */
    double rate;          /* that the operator gave the destination, a second; 0: none */
    size_t max_in_flight; /* the same, at once; 0: none */
};

struct schedule;

/* The config is borrowed, until another one is given. NULL: no memory. */
struct schedule *schedule_new(const struct deliver_config *config);
/* Another one, for all that is decided from now on. */
void schedule_configure(struct schedule *schedule, const struct deliver_config *config);
/* So many nodes share the limits that the operator gave to destinations; at least 1. */
void schedule_share(struct schedule *schedule, size_t nodes);
void schedule_free(struct schedule *schedule); /* nothing is in hand; takes NULL */

/* An operator wants to know whether a held origin (lane 0) or lane is well: it may be probed now. */
void schedule_end_hold(struct schedule *schedule, uint64_t origin, uint64_t lane, int64_t now_ms);

/* Nothing of these begins from now on, and what has not begun is returned; what is under way ends, and
 * tells what it told before. The set is borrowed until another is given; NULL: none is paused. */
void schedule_pauses(struct schedule *schedule, const struct pauses *pauses);

enum change_scope { CHANGE_ORIGIN, CHANGE_LANE };

enum put_result {
    PUT_READY,
    PUT_HELD /* its lane must wait, or is paused */,
    PUT_FULL /* no room, or no memory */
};

/* Only what is PUT_READY is in hand. */
enum put_result schedule_put(struct schedule *schedule, struct job *job,
                             const struct job_terms *terms, int64_t now_ms);
/* What another node has found to fail, and this one is to probe with what it puts in next: its
 * breaker probes, after so many failures and a pause so long, unless it is not closed here either. */
void schedule_probe(struct schedule *schedule, const char *url, enum change_scope scope,
                    int64_t pause_ms, unsigned failures);
/* The next to begin, which is under way then; NULL: none may now. */
struct job *schedule_next(struct schedule *schedule, int64_t now_ms);
/* One that was taken with schedule_next() and was not begun after all: out of hand. */
void schedule_cancel(struct schedule *schedule, struct job *job);

/* Of one that has ended. */
struct job_end {
    enum result_class class;
    int64_t asked_ms;   /* the pause that the receiver asked for; 0: none */
    int64_t elapsed_ms; /* of the attempt */
    int64_t opens_ms;   /* out: its lane is held by flow control until then; 0: it is not */
    int64_t outage_ms;  /* out: its origin has not been reached for so long; 0: it was */
};

/* It is out of hand. */
void schedule_ended(struct schedule *schedule, struct job *job, struct job_end *end,
                    int64_t now_ms);

/* One that was ready and must wait for longer now: out of hand, for the spool to keep. NULL: no
 * more. To be asked after each schedule_ended(), schedule_pauses() and schedule_give_up(). */
struct job *schedule_returned(struct schedule *schedule);
/* All that has not begun is to be returned. */
void schedule_give_up(struct schedule *schedule);

enum change_what {
    CHANGE_OPENED, /* its breaker; until `until_ms`, then one at a time */
    CHANGE_CLOSED,
    CHANGE_SLOWED, /* flow control: nothing until `until_ms`, then at `rate` */
    CHANGE_GONE,   /* 410 in a row: as CHANGE_OPENED */
    CHANGE_PACED,  /* what may be in hand of it is another number */
    CHANGE_FREE,   /* nothing is held any more, or it is forgotten */
};

struct schedule_change {
    enum change_scope scope;
    enum change_what what;
    int64_t until_ms;
    int64_t pause_ms;
    unsigned failures;
    double rate;
    size_t most; /* in hand at once; 0: no limit of its own */
    char name[LANE_SIZE];
};

/* What has changed, in order, for the log and the spool; false: nothing more. To be asked after
 * each schedule_ended(), schedule_put() and schedule_tidy(). */
bool schedule_change(struct schedule *schedule, struct schedule_change *change);

/* When schedule_next() may find something that it does not find now, if nothing else happens;
 * SCHEDULE_NEVER: it will not. */
int64_t schedule_wake(const struct schedule *schedule);
/* To be called about once a minute: forgets what is not worth remembering. */
void schedule_tidy(struct schedule *schedule, int64_t now_ms);

/* Room for what the spool has: in hand, in bytes, of one origin, of one lane. */
struct schedule_room {
    size_t jobs, per_origin, per_lane;
    uint64_t bytes;
    bool low; /* no more than half is used: it is worth asking the spool */
};

struct schedule_room schedule_room(const struct schedule *schedule);
size_t schedule_in_flight(const struct schedule *schedule); /* under way */
size_t schedule_in_hand(const struct schedule *schedule);   /* these, and what is ready */

#endif
