/* How much may be in hand, and at once: of all, of an origin, of a lane. */
#include "schedule_private.h"

#define ORIGIN_MAX 256u /* in hand of one origin, or twice its requests at once if more */
#define SLOW_MS    1000 /* an origin whose answers take longer is slow */
#define RESERVE    8 /* one part in so many is left to others: slots by slow ones, the hand by all */
#define PACED_MS   5000 /* of a lane that has a rate no more is in hand than it takes in this */

static size_t hand_max(const struct schedule *s)
{
    return at_least(s->config->max_in_flight * 2, SCHEDULE_HAND_MAX);
}

bool schedule_is_slow(const struct origin *origin)
{
    return origin->latency_ms > SLOW_MS;
}

/* Of a whole, where `active` want some of it: so that some is left for a newcomer. */
static size_t share_of(size_t whole, size_t active)
{
    return active <= 1 ? whole : at_least(whole / (active + 1), 1);
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

size_t schedule_hand_of_origin(const struct schedule *s, const struct origin *origin)
{
    if (schedule_is_slow(origin))
        return slots_of_origin(s) * 2;
    return at_most(origin_hand_max(s), share_of(hand_max(s), s->active));
}

/* The last part of the room is for those that have nothing in hand. */
bool schedule_has_room_for(const struct schedule *s, const struct lane *lane, uint64_t bytes)
{
    const struct origin *origin = lane->origin;
    size_t most = hand_max(s);
    if (s->in_hand >= most || s->bytes >= SCHEDULE_HAND_BYTES)
        return false;
    if (origin->in_hand == 0)
        return true;
    if (lane->most > 0 && lane->in_hand >= lane->most)
        return false;
    size_t of_origin = schedule_hand_of_origin(s, origin);
    if (lane->in_hand > 0 && lane->in_hand >= of_origin - of_origin / RESERVE)
        return false; /* what is left is for its other lanes */
    return s->in_hand < most - most / RESERVE && origin->in_hand < of_origin &&
           origin->bytes + bytes <= SCHEDULE_HAND_BYTES / (s->active + 1);
}

bool schedule_origin_may(const struct schedule *s, const struct origin *origin)
{
    size_t all = s->config->max_in_flight;
    if (origin->breaker.state == BREAKER_OPEN)
        return false;
    if (origin->breaker.state == BREAKER_PROBING)
        return origin->in_flight == 0;
    if (schedule_is_slow(origin) && s->in_flight >= all - all / RESERVE)
        return false;
    return origin->in_flight < slots_of_origin(s);
}

int64_t schedule_lane_next(const struct schedule *s, const struct lane *lane)
{
    size_t slots = slots_of_origin(s);
    if (schedule_is_slow(lane->origin) && lane->in_flight >= slots - slots / RESERVE)
        return SCHEDULE_NEVER; /* what is left is for its other lanes */
    if (lane->breaker.state == BREAKER_OPEN)
        return lane->breaker.until_ms;
    if (lane->breaker.state == BREAKER_PROBING && lane->in_flight > 0)
        return SCHEDULE_NEVER;
    if (lane->max_in_flight > 0 && lane->in_flight >= lane->max_in_flight)
        return SCHEDULE_NEVER;
    return pace_next(&lane->pace);
}

/* The spool takes care of that: no more of it is brought into hand. */
size_t schedule_hand_limit(const struct schedule *s, const struct lane *lane)
{
    double rate = pace_rate(&lane->pace);
    if (lane->breaker.state != BREAKER_CLOSED)
        return 1;
    double most = rate * PACED_MS / 1000;
    if (rate <= 0 || most >= (double)origin_hand_max(s))
        return 0;
    return at_least((size_t)most, 1);
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
