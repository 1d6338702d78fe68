/* What the end of an attempt says of its origin and its lane. */
#include "schedule_private.h"

#define GONE_PAUSE_MS 3600000

static void reached(struct schedule *s, struct origin *origin, const struct job_end *end)
{
    double ms = (double)end->elapsed_ms;
    origin->latency_ms = origin->latency_ms > 0 ? origin->latency_ms * 0.8 + ms * 0.2 : ms;
    origin->down_since_ms = 0;
    if (breaker_succeeded(&origin->breaker) == BREAKER_HAS_CLOSED)
        schedule_tell_origin(s, origin, CHANGE_CLOSED);
}

static void unreached(struct schedule *s, struct origin *origin, int64_t now_ms)
{
    if (origin->down_since_ms == 0)
        origin->down_since_ms = now_ms;
    if (breaker_failed(&origin->breaker, s->config, now_ms) != BREAKER_HAS_OPENED)
        return;
    schedule_tell_origin(s, origin, CHANGE_OPENED);
    schedule_return_origin(s, origin);
}

static void failing(struct schedule *s, struct lane *lane, int64_t now_ms)
{
    if (breaker_failed(&lane->breaker, s->config, now_ms) != BREAKER_HAS_OPENED)
        return;
    schedule_tell_lane(s, lane, CHANGE_OPENED, now_ms);
    schedule_return_ready(s, lane);
}

static void well(struct schedule *s, struct lane *lane, int64_t now_ms)
{
    lane->gone = 0;
    if (breaker_succeeded(&lane->breaker) == BREAKER_HAS_CLOSED)
        schedule_tell_lane(s, lane, CHANGE_CLOSED, now_ms);
}

static void gone(struct schedule *s, struct lane *lane, int64_t now_ms)
{
    lane->gone++;
    if (s->config->gone_limit == 0 || lane->gone < s->config->gone_limit)
        return;
    lane->breaker.failures = lane->gone;
    breaker_open(&lane->breaker, GONE_PAUSE_MS, now_ms);
    schedule_tell_lane(s, lane, CHANGE_GONE, now_ms);
    schedule_return_ready(s, lane);
}

static void slow_down(struct schedule *s, struct lane *lane, const struct job *job,
                      const struct job_end *end, int64_t now_ms)
{
    int64_t until_ms = lane->pace.until_ms;
    pace_slow_down(&lane->pace, job->begun_ms, end->asked_ms, now_ms);
    if (breaker_succeeded(&lane->breaker) == BREAKER_AS_IT_WAS && lane->pace.until_ms == until_ms)
        return;
    schedule_tell_lane(s, lane, CHANGE_SLOWED, now_ms);
    if (lane->pace.until_ms > now_ms + SCHEDULE_RETURN_MS)
        schedule_return_ready(s, lane);
}

static void note_end(struct schedule *s, struct lane *lane, const struct job *job,
                     const struct job_end *end, int64_t now_ms)
{
    enum result_class class = end->class;
    if (class == RESULT_OURS)
        return;
    if (class == RESULT_UNREACHED) {
        unreached(s, lane->origin, now_ms);
        return;
    }
    reached(s, lane->origin, end);
    if (class == RESULT_SLOW_DOWN) {
        slow_down(s, lane, job, end, now_ms);
        return;
    }
    if (class != RESULT_FAILING)
        pace_took(&lane->pace, now_ms);
    if (class == RESULT_FAILING)
        failing(s, lane, now_ms);
    else if (class == RESULT_GONE)
        gone(s, lane, now_ms);
    else
        well(s, lane, now_ms);
    schedule_note_rate(s, lane, now_ms);
}

void schedule_ended(struct schedule *s, struct job *job, struct job_end *end, int64_t now_ms)
{
    struct lane *lane = job->lane;
    schedule_land(s, job);
    note_end(s, lane, job, end, now_ms);
    if (schedule_is_slow(lane->origin))
        schedule_return_surplus(s, lane);
    int64_t since_ms = lane->origin->down_since_ms;
    end->opens_ms = lane->pace.until_ms > now_ms ? lane->pace.until_ms : 0;
    end->outage_ms = since_ms ? now_ms - since_ms : 0;
}
