#include "schedule.h"

#include <stdlib.h>

#include "schedule_private.h"

/* ---- Turns ---- */

static void begin(struct schedule *s, struct lane *lane, struct job *job, int64_t now_ms)
{
    pace_begin(&lane->pace, now_ms);
    job->next = NULL;
    job->begun_ms = now_ms;
    lane->in_flight++;
    lane->origin->in_flight++;
    s->in_flight++;
}

static void wake_at(struct schedule *s, int64_t at_ms)
{
    if (at_ms < s->wake_ms)
        s->wake_ms = at_ms;
}

/* The lanes of an origin take turns; those that must wait keep theirs. */
static struct job *next_of_origin(struct schedule *s, struct origin *origin, int64_t now_ms)
{
    struct lane *lane, *first = NULL;
    while ((lane = lanes_next(origin))) {
        schedule_look(lane, now_ms);
        if (!lane->ready)
            continue; /* all of it was returned */
        if (lane == first) {
            lanes_queue(&s->lanes, lane);
            return NULL;
        }
        int64_t at_ms = schedule_lane_next(s, lane);
        struct job *job = at_ms <= now_ms ? schedule_shift(lane) : NULL;
        lanes_queue(&s->lanes, lane);
        if (job) {
            begin(s, lane, job, now_ms);
            return job;
        }
        wake_at(s, at_ms);
        if (!first)
            first = lane;
    }
    return NULL;
}

struct job *schedule_next(struct schedule *s, int64_t now_ms)
{
    struct origin *origin, *first = NULL;
    if (s->in_flight >= s->config->max_in_flight || (s->stuck && now_ms < s->wake_ms))
        return NULL;
    s->wake_ms = SCHEDULE_NEVER;
    while ((origin = lanes_next_origin(&s->lanes))) {
        struct job *job = NULL;
        breaker_look(&origin->breaker, now_ms);
        if (origin != first && schedule_origin_may(s, origin))
            job = next_of_origin(s, origin, now_ms);
        else if (origin->breaker.state == BREAKER_OPEN)
            wake_at(s, origin->breaker.until_ms);
        lanes_queue_origin(&s->lanes, origin);
        if (job)
            return job;
        if (origin == first)
            break;
        if (!first && origin->in_ring)
            first = origin;
    }
    s->stuck = true;
    return NULL;
}

void schedule_cancel(struct schedule *s, struct job *job)
{
    schedule_land(s, job);
}

/* ---- Holds that others made or end ---- */

void schedule_probe(struct schedule *s, const char *url, enum change_scope scope, int64_t pause_ms,
                    unsigned failures)
{
    struct lane *lane = lanes_get(&s->lanes, url);
    struct breaker *breaker = !lane                  ? NULL
                              : scope == CHANGE_LANE ? &lane->breaker
                                                     : &lane->origin->breaker;
    if (breaker && breaker->state == BREAKER_CLOSED)
        *breaker = (struct breaker){BREAKER_PROBING, failures, pause_ms, 0};
}

static void end_hold(struct breaker *breaker, int64_t now_ms)
{
    if (breaker->state == BREAKER_OPEN && breaker->until_ms > now_ms)
        breaker->until_ms = now_ms;
}

void schedule_end_hold(struct schedule *s, uint64_t origin, uint64_t lane_number, int64_t now_ms)
{
    for (struct lane *lane = s->lanes.oldest; lane; lane = lane->newer) {
        if (lane->origin_key != origin || (lane_number && lane->key != lane_number))
            continue;
        end_hold(lane_number ? &lane->breaker : &lane->origin->breaker, now_ms);
        if (lane_number)
            pace_probe(&lane->pace, now_ms);
    }
    s->stuck = false;
}

/* ---- The rest ---- */

int64_t schedule_wake(const struct schedule *s)
{
    return s->stuck ? s->wake_ms : SCHEDULE_NEVER;
}

void schedule_tidy(struct schedule *s, int64_t now_ms)
{
    for (struct lane *lane = s->lanes.oldest, *newer; lane; lane = newer) {
        newer = lane->newer;
        bool rests = pace_rest(&lane->pace, now_ms);
        schedule_note_rate(s, lane, now_ms);
        if (rests && lane->in_hand == 0 && lane->gone == 0 && breaker_at_rest(&lane->breaker) &&
            breaker_at_rest(&lane->origin->breaker))
            schedule_forget(s, lane);
    }
}

size_t schedule_in_flight(const struct schedule *s)
{
    return s->in_flight;
}

size_t schedule_in_hand(const struct schedule *s)
{
    return s->in_hand;
}

struct schedule *schedule_new(const struct deliver_config *config)
{
    struct schedule *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    lanes_init(&s->lanes);
    s->config = config;
    s->nodes = 1;
    s->returned_end = &s->returned;
    s->changes_end = &s->changes;
    s->wake_ms = SCHEDULE_NEVER;
    return s;
}

void schedule_configure(struct schedule *s, const struct deliver_config *config)
{
    s->config = config;
    s->stuck = false;
}

void schedule_share(struct schedule *s, size_t nodes)
{
    s->nodes = at_least(nodes, 1);
}

void schedule_free(struct schedule *s)
{
    struct schedule_change change;
    if (!s)
        return;
    while (schedule_change(s, &change))
        continue;
    lanes_free(&s->lanes);
    free(s);
}
