#include "schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lanes.h"

#define HAND_MAX      1024u /* jobs in hand, or twice the requests at once if more */
#define ORIGIN_MAX    256u  /* of one origin, or twice its requests at once if more */
#define SLOW_MS       1000  /* an origin whose answers take longer is slow */
#define RESERVE       8 /* one part in so many is left to others: slots by slow ones, the hand by all */
#define PACED_MS      5000 /* of a lane that has a rate no more is in hand than it takes in this */
#define RETURN_MS     2000 /* what must wait for longer is returned */
#define GONE_PAUSE_MS 3600000

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

struct change_node {
    struct change_node *next;
    struct schedule_change change;
};

/* ---- Limits ---- */

static size_t at_least(size_t value, size_t least)
{
    return value > least ? value : least;
}

static size_t hand_max(const struct schedule *s)
{
    return at_least(s->config->max_in_flight * 2, HAND_MAX);
}

static bool is_slow(const struct origin *origin)
{
    return origin->latency_ms > SLOW_MS;
}

/* Of a whole, where `active` want some of it: so that some is left for a newcomer. */
static size_t share_of(size_t whole, size_t active)
{
    return active <= 1 ? whole : at_least(whole / (active + 1), 1);
}

static size_t at_most(size_t value, size_t most)
{
    return value < most ? value : most;
}

/* Requests at once. */
static size_t slots_of_origin(const struct schedule *s)
{
    size_t of_node = at_least(s->config->max_per_origin / s->nodes, 1);
    return at_most(of_node, share_of(s->config->max_in_flight, s->active));
}

static size_t origin_hand_max(const struct schedule *s)
{
    return at_least(s->config->max_per_origin * 2, ORIGIN_MAX);
}

/* In hand; a slow one needs little there to keep its slots busy. */
static size_t hand_of_origin(const struct schedule *s, const struct origin *origin)
{
    if (is_slow(origin))
        return slots_of_origin(s) * 2;
    return at_most(origin_hand_max(s), share_of(hand_max(s), s->active));
}

/* The last part of the room is for those that have nothing in hand. */
static bool has_room_for(const struct schedule *s, const struct lane *lane, uint64_t bytes)
{
    const struct origin *origin = lane->origin;
    size_t most = hand_max(s);
    if (s->in_hand >= most || s->bytes >= SCHEDULE_HAND_BYTES)
        return false;
    if (origin->in_hand == 0)
        return true;
    if (lane->most > 0 && lane->in_hand >= lane->most)
        return false;
    size_t of_origin = hand_of_origin(s, origin);
    if (lane->in_hand > 0 && lane->in_hand >= of_origin - of_origin / RESERVE)
        return false; /* what is left is for its other lanes */
    return s->in_hand < most - most / RESERVE && origin->in_hand < of_origin &&
           origin->bytes + bytes <= SCHEDULE_HAND_BYTES / (s->active + 1);
}

/* May it have one more slot? */
static bool origin_may(const struct schedule *s, const struct origin *origin)
{
    size_t all = s->config->max_in_flight;
    if (origin->breaker.state == BREAKER_OPEN)
        return false;
    if (origin->breaker.state == BREAKER_PROBING)
        return origin->in_flight == 0;
    if (is_slow(origin) && s->in_flight >= all - all / RESERVE)
        return false;
    return origin->in_flight < slots_of_origin(s);
}

/* When a lane may begin one more; SCHEDULE_NEVER: not before one of its own has ended. */
static int64_t lane_next(const struct schedule *s, const struct lane *lane)
{
    size_t slots = slots_of_origin(s);
    if (is_slow(lane->origin) && lane->in_flight >= slots - slots / RESERVE)
        return SCHEDULE_NEVER; /* what is left is for its other lanes */
    if (lane->breaker.state == BREAKER_OPEN)
        return lane->breaker.until_ms;
    if (lane->breaker.state == BREAKER_PROBING && lane->in_flight > 0)
        return SCHEDULE_NEVER;
    if (lane->max_in_flight > 0 && lane->in_flight >= lane->max_in_flight)
        return SCHEDULE_NEVER;
    return pace_next(&lane->pace);
}

/* ---- Telling ---- */

/* The spool takes care of that: no more of it is brought into hand. */
static size_t hand_limit(const struct schedule *s, const struct lane *lane)
{
    double rate = pace_rate(&lane->pace);
    if (lane->breaker.state != BREAKER_CLOSED)
        return 1;
    double most = rate * PACED_MS / 1000;
    if (rate <= 0 || most >= (double)origin_hand_max(s))
        return 0;
    return at_least((size_t)most, 1);
}

static void push_change(struct schedule *s, const struct schedule_change *change)
{
    struct change_node *node = malloc(sizeof *node);
    if (!node)
        return; /* the spool brings some of it in vain: no harm */
    node->next = NULL;
    node->change = *change;
    *s->changes_end = node;
    s->changes_end = &node->next;
}

static void tell_origin(struct schedule *s, const struct origin *origin, enum change_what what)
{
    struct schedule_change change = {.scope = CHANGE_ORIGIN,
                                     .what = what,
                                     .pause_ms = origin->breaker.pause_ms,
                                     .failures = origin->breaker.failures};
    if (what == CHANGE_OPENED) {
        change.until_ms = origin->breaker.until_ms;
        change.most = 1;
    }
    snprintf(change.name, sizeof change.name, "%s", origin->name);
    push_change(s, &change);
}

static void tell_lane(struct schedule *s, struct lane *lane, enum change_what what, int64_t now_ms)
{
    struct schedule_change change = {.scope = CHANGE_LANE, .what = what};
    lane->most = hand_limit(s, lane);
    change.most = lane->most;
    change.failures = lane->breaker.failures;
    change.rate = pace_rate(&lane->pace);
    if (what == CHANGE_OPENED || what == CHANGE_GONE)
        change.until_ms = lane->breaker.until_ms;
    else if (lane->pace.until_ms > now_ms)
        change.until_ms = lane->pace.until_ms;
    if (change.until_ms)
        change.pause_ms = change.until_ms - now_ms;
    snprintf(change.name, sizeof change.name, "%s", lane->name);
    lane->told = change.most > 0 || change.until_ms > 0;
    push_change(s, &change);
}

bool schedule_change(struct schedule *s, struct schedule_change *change)
{
    struct change_node *node = s->changes;
    if (!node)
        return false;
    *change = node->change;
    s->changes = node->next;
    if (!s->changes)
        s->changes_end = &s->changes;
    free(node);
    return true;
}

/* What it may have in hand has changed much since the spool was told. */
static void note_rate(struct schedule *s, struct lane *lane, int64_t now_ms)
{
    size_t most = hand_limit(s, lane), told = lane->most;
    if (lane->pace.until_ms > now_ms || lane->breaker.state != BREAKER_CLOSED || most == told)
        return;
    if (most == 0)
        tell_lane(s, lane, CHANGE_FREE, now_ms);
    else if (told == 0 || most > told * 2 || most < told / 2)
        tell_lane(s, lane, CHANGE_PACED, now_ms);
}

/* ---- In and out of hand ---- */

static void look(struct lane *lane, int64_t now_ms)
{
    breaker_look(&lane->origin->breaker, now_ms);
    breaker_look(&lane->breaker, now_ms);
}

static void forget(struct schedule *s, struct lane *lane)
{
    if (lane->told)
        tell_lane(s, lane, CHANGE_FREE, INT64_MAX);
    lanes_forget(&s->lanes, lane);
}

static void set_terms(struct schedule *s, struct lane *lane, const struct job_terms *terms,
                      int64_t now_ms)
{
    size_t nodes = s->nodes;
    lane->pace.limit = terms->rate / (double)nodes;
    lane->max_in_flight = terms->max_in_flight > 0 ? at_least(terms->max_in_flight / nodes, 1) : 0;
    note_rate(s, lane, now_ms);
}

static bool is_held(const struct lane *lane, int64_t now_ms)
{
    const struct breaker *way = &lane->origin->breaker;
    if (lane->paused)
        return true;
    if (way->state == BREAKER_OPEN || lane->breaker.state == BREAKER_OPEN)
        return true;
    if (way->state == BREAKER_PROBING && lane->origin->in_hand > 0)
        return true;
    if (lane->breaker.state == BREAKER_PROBING && lane->in_hand > 0)
        return true;
    return pace_next(&lane->pace) > now_ms + RETURN_MS && lane->in_hand > 0;
}

enum put_result schedule_put(struct schedule *s, struct job *job, const struct job_terms *terms,
                             int64_t now_ms)
{
    struct lane *surplus, *lane = lanes_get(&s->lanes, terms->url);
    if (!lane)
        return PUT_FULL;
    look(lane, now_ms);
    set_terms(s, lane, terms, now_ms);
    if (is_held(lane, now_ms) || lane->pace.until_ms > now_ms + RETURN_MS)
        return PUT_HELD;
    if (!has_room_for(s, lane, terms->bytes))
        return PUT_FULL;
    *job = (struct job){.lane = lane, .bytes = terms->bytes};
    *lane->ready_end = job;
    lane->ready_end = &job->next;
    s->active += lane->origin->in_hand == 0;
    lane->in_hand++;
    lane->origin->in_hand++;
    lane->origin->bytes += job->bytes;
    s->in_hand++;
    s->bytes += job->bytes;
    lanes_queue(&s->lanes, lane);
    s->stuck = false;
    while ((surplus = lanes_surplus(&s->lanes)))
        forget(s, surplus);
    return PUT_READY;
}

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

static void out_of_hand(struct schedule *s, struct job *job)
{
    struct lane *lane = job->lane;
    lane->in_hand--;
    lane->origin->in_hand--;
    lane->origin->bytes -= job->bytes;
    s->active -= lane->origin->in_hand == 0;
    s->in_hand--;
    s->bytes -= job->bytes;
    job->lane = NULL;
}

static struct job *shift(struct lane *lane)
{
    struct job *job = lane->ready;
    if (!job)
        return NULL;
    lane->ready = job->next;
    if (!lane->ready)
        lane->ready_end = &lane->ready;
    return job;
}

static void return_job(struct schedule *s, struct job *job)
{
    out_of_hand(s, job);
    job->next = NULL;
    *s->returned_end = job;
    s->returned_end = &job->next;
}

static void return_ready(struct schedule *s, struct lane *lane)
{
    struct job *job;
    while ((job = shift(lane)))
        return_job(s, job);
}

/* An origin turned out to be slow: what it has in hand beyond what a slow one may. */
static void return_surplus(struct schedule *s, struct lane *lane)
{
    size_t most = hand_of_origin(s, lane->origin);
    while (lane->origin->in_hand > most && lane->ready)
        return_job(s, shift(lane));
}

static void return_origin(struct schedule *s, struct origin *origin)
{
    for (struct lane *lane = s->lanes.oldest; lane; lane = lane->newer)
        if (lane->origin == origin)
            return_ready(s, lane);
}

void schedule_pauses(struct schedule *s, const struct pauses *pauses)
{
    lanes_pause(&s->lanes, pauses);
    for (struct lane *lane = s->lanes.oldest; lane; lane = lane->newer)
        if (lane->paused)
            return_ready(s, lane);
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
        if (lane_number && lane->pace.until_ms > now_ms)
            lane->pace.until_ms = now_ms;
    }
    s->stuck = false;
}

struct job *schedule_returned(struct schedule *s)
{
    struct job *job = s->returned;
    if (!job)
        return NULL;
    s->returned = job->next;
    if (!s->returned)
        s->returned_end = &s->returned;
    return job;
}

void schedule_give_up(struct schedule *s)
{
    for (struct lane *lane = s->lanes.oldest; lane; lane = lane->newer)
        return_ready(s, lane);
}

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
        look(lane, now_ms);
        if (!lane->ready)
            continue; /* all of it was returned */
        if (lane == first) {
            lanes_queue(&s->lanes, lane);
            return NULL;
        }
        int64_t at_ms = lane_next(s, lane);
        struct job *job = at_ms <= now_ms ? shift(lane) : NULL;
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
        if (origin != first && origin_may(s, origin))
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

static void land(struct schedule *s, struct job *job)
{
    struct lane *lane = job->lane;
    lane->in_flight--;
    lane->origin->in_flight--;
    s->in_flight--;
    s->stuck = false;
    out_of_hand(s, job);
}

void schedule_cancel(struct schedule *s, struct job *job)
{
    land(s, job);
}

/* ---- Ends ---- */

static void reached(struct schedule *s, struct origin *origin, const struct job_end *end)
{
    double ms = (double)end->elapsed_ms;
    origin->latency_ms = origin->latency_ms > 0 ? origin->latency_ms * 0.8 + ms * 0.2 : ms;
    origin->down_since_ms = 0;
    if (breaker_succeeded(&origin->breaker) == BREAKER_HAS_CLOSED)
        tell_origin(s, origin, CHANGE_CLOSED);
}

static void unreached(struct schedule *s, struct origin *origin, int64_t now_ms)
{
    if (origin->down_since_ms == 0)
        origin->down_since_ms = now_ms;
    if (breaker_failed(&origin->breaker, s->config, now_ms) != BREAKER_HAS_OPENED)
        return;
    tell_origin(s, origin, CHANGE_OPENED);
    return_origin(s, origin);
}

static void failing(struct schedule *s, struct lane *lane, int64_t now_ms)
{
    if (breaker_failed(&lane->breaker, s->config, now_ms) != BREAKER_HAS_OPENED)
        return;
    tell_lane(s, lane, CHANGE_OPENED, now_ms);
    return_ready(s, lane);
}

static void well(struct schedule *s, struct lane *lane, int64_t now_ms)
{
    lane->gone = 0;
    if (breaker_succeeded(&lane->breaker) == BREAKER_HAS_CLOSED)
        tell_lane(s, lane, CHANGE_CLOSED, now_ms);
}

static void gone(struct schedule *s, struct lane *lane, int64_t now_ms)
{
    lane->gone++;
    if (s->config->gone_limit == 0 || lane->gone < s->config->gone_limit)
        return;
    lane->breaker.failures = lane->gone;
    breaker_open(&lane->breaker, GONE_PAUSE_MS, now_ms);
    tell_lane(s, lane, CHANGE_GONE, now_ms);
    return_ready(s, lane);
}

static void slow_down(struct schedule *s, struct lane *lane, const struct job *job,
                      const struct job_end *end, int64_t now_ms)
{
    int64_t until_ms = lane->pace.until_ms;
    pace_slow_down(&lane->pace, job->begun_ms, end->asked_ms, now_ms);
    if (breaker_succeeded(&lane->breaker) == BREAKER_AS_IT_WAS && lane->pace.until_ms == until_ms)
        return;
    tell_lane(s, lane, CHANGE_SLOWED, now_ms);
    if (lane->pace.until_ms > now_ms + RETURN_MS)
        return_ready(s, lane);
}

static void note_end(struct schedule *s, struct lane *lane, const struct job *job,
                     const struct job_end *end, int64_t now_ms)
{
    enum verdict verdict = end->verdict;
    if (verdict == VERDICT_OURS)
        return;
    if (verdict == VERDICT_UNREACHED) {
        unreached(s, lane->origin, now_ms);
        return;
    }
    reached(s, lane->origin, end);
    if (verdict == VERDICT_SLOW_DOWN) {
        slow_down(s, lane, job, end, now_ms);
        return;
    }
    if (verdict != VERDICT_FAILING)
        pace_took(&lane->pace, now_ms);
    if (verdict == VERDICT_FAILING)
        failing(s, lane, now_ms);
    else if (verdict == VERDICT_GONE)
        gone(s, lane, now_ms);
    else
        well(s, lane, now_ms);
    note_rate(s, lane, now_ms);
}

void schedule_ended(struct schedule *s, struct job *job, struct job_end *end, int64_t now_ms)
{
    struct lane *lane = job->lane;
    land(s, job);
    note_end(s, lane, job, end, now_ms);
    if (is_slow(lane->origin))
        return_surplus(s, lane);
    int64_t since_ms = lane->origin->down_since_ms;
    end->opens_ms = lane->pace.until_ms > now_ms ? lane->pace.until_ms : 0;
    end->outage_ms = since_ms ? now_ms - since_ms : 0;
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
        note_rate(s, lane, now_ms);
        if (rests && lane->in_hand == 0 && lane->gone == 0 && breaker_at_rest(&lane->breaker) &&
            breaker_at_rest(&lane->origin->breaker))
            forget(s, lane);
    }
}

struct schedule_room schedule_room(const struct schedule *s)
{
    size_t most = hand_max(s);
    size_t per_origin = at_most(origin_hand_max(s), share_of(most, s->active));
    bool full = s->in_hand >= most || s->bytes >= SCHEDULE_HAND_BYTES;
    return (struct schedule_room){
        .jobs = full ? 0 : most - s->in_hand,
        .bytes = full ? 0 : SCHEDULE_HAND_BYTES - s->bytes,
        .per_origin = per_origin,
        .per_lane = per_origin - per_origin / RESERVE,
        .low = s->in_hand <= most / 2 && s->bytes <= SCHEDULE_HAND_BYTES / 2,
    };
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
