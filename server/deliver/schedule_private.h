/*
 * schedule_private.h - what the files of the schedule share; nobody else includes it.
 *
 * schedule_next.c    who is next, holds, its life
 * schedule_end.c     what the end of an attempt says
 * schedule_hand.c    into hand and out of it
 * schedule_tell.c    what has changed, for the log and the spool
 * schedule_limits.c  how much may be in hand, and at once
 *
 * Each uses those below it. To add a reason to wait: schedule_lane_next() or schedule_origin_may().
 */
#ifndef MXHOOK_DELIVER_SCHEDULE_PRIVATE_H
#define MXHOOK_DELIVER_SCHEDULE_PRIVATE_H

#include "lanes.h"

#define SCHEDULE_HAND_MAX  1024u /* jobs in hand, or twice the requests at once if more */
#define SCHEDULE_RETURN_MS 2000  /* what must wait for longer is returned */

struct change_node {
    struct change_node *next;
    struct schedule_change change;
};

struct schedule {
    struct lanes lanes;
    const struct deliver_config *config;
    size_t nodes;
    size_t in_flight, in_hand;
    size_t active; /* origins that have something in hand */
    uint64_t bytes;
    struct job *returned, **returned_end;
    struct change_node *changes, **changes_end;
    bool stuck; /* schedule_next() found nothing, and will not before wake_ms */
    int64_t wake_ms;
};

static inline size_t at_least(size_t value, size_t least)
{
    return value > least ? value : least;
}

static inline size_t at_most(size_t value, size_t most)
{
    return value < most ? value : most;
}

/* ---- schedule_limits.c ---- */

/* By the time that its answers take, on average. */
bool schedule_is_slow(const struct origin *origin);
/* In hand; a slow one needs little there to keep its slots busy. */
size_t schedule_hand_of_origin(const struct schedule *s, const struct origin *origin);
/* For one more in hand, of so many bytes. */
bool schedule_has_room_for(const struct schedule *s, const struct lane *lane, uint64_t bytes);
/* May it have one more slot? */
bool schedule_origin_may(const struct schedule *s, const struct origin *origin);
/* When a lane may begin one more; SCHEDULE_NEVER: not before one of its own has ended. */
int64_t schedule_lane_next(const struct schedule *s, const struct lane *lane);
/* As many of a lane as the spool is to bring into hand; 0: no limit of its own. */
size_t schedule_hand_limit(const struct schedule *s, const struct lane *lane);

/* ---- schedule_tell.c ---- */

/* Notes a change, for schedule_change() to hand out. */
void schedule_tell_origin(struct schedule *s, const struct origin *origin, enum change_what what);
void schedule_tell_lane(struct schedule *s, struct lane *lane, enum change_what what,
                        int64_t now_ms);
/* Tells if what it may have in hand has changed much since the spool was told. */
void schedule_note_rate(struct schedule *s, struct lane *lane, int64_t now_ms);

/* ---- schedule_hand.c ---- */

/* Breakers whose time is over begin to probe. */
void schedule_look(struct lane *lane, int64_t now_ms);
void schedule_forget(struct schedule *s, struct lane *lane); /* nothing of it is in hand */
/* The first that is ready, out of its lane; NULL: none is. */
struct job *schedule_shift(struct lane *lane);
/* One that was under way is over, and out of hand. */
void schedule_land(struct schedule *s, struct job *job);
/* What is ready of a lane, an origin, is to be returned. */
void schedule_return_ready(struct schedule *s, struct lane *lane);
void schedule_return_origin(struct schedule *s, struct origin *origin);
/* An origin turned out to be slow: what it has in hand beyond what a slow one may. */
void schedule_return_surplus(struct schedule *s, struct lane *lane);

#endif
