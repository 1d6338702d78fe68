/* Into hand and out of it: what is put in, what is returned, what has landed. */
#include "schedule_private.h"

void schedule_look(struct lane *lane, int64_t now_ms)
{
    breaker_look(&lane->origin->breaker, now_ms);
    breaker_look(&lane->breaker, now_ms);
}

void schedule_forget(struct schedule *s, struct lane *lane)
{
    if (lane->told)
        schedule_tell_lane(s, lane, CHANGE_FREE, INT64_MAX);
    lanes_forget(&s->lanes, lane);
}

static void set_terms(struct schedule *s, struct lane *lane, const struct job_terms *terms,
                      int64_t now_ms)
{
    size_t nodes = s->nodes;
    lane->pace.limit = terms->rate / (double)nodes;
    lane->max_in_flight = terms->max_in_flight > 0 ? at_least(terms->max_in_flight / nodes, 1) : 0;
    schedule_note_rate(s, lane, now_ms);
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
    return pace_next(&lane->pace) > now_ms + SCHEDULE_RETURN_MS && lane->in_hand > 0;
}

enum put_result schedule_put(struct schedule *s, struct job *job, const struct job_terms *terms,
                             int64_t now_ms)
{
    struct lane *surplus, *lane = lanes_get(&s->lanes, terms->url);
    if (!lane)
        return PUT_FULL;
    schedule_look(lane, now_ms);
    set_terms(s, lane, terms, now_ms);
    if (is_held(lane, now_ms) || lane->pace.until_ms > now_ms + SCHEDULE_RETURN_MS)
        return PUT_HELD;
    if (!schedule_has_room_for(s, lane, terms->bytes))
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
        schedule_forget(s, surplus);
    return PUT_READY;
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

struct job *schedule_shift(struct lane *lane)
{
    struct job *job = lane->ready;
    if (!job)
        return NULL;
    lane->ready = job->next;
    if (!lane->ready)
        lane->ready_end = &lane->ready;
    return job;
}

void schedule_land(struct schedule *s, struct job *job)
{
    struct lane *lane = job->lane;
    lane->in_flight--;
    lane->origin->in_flight--;
    s->in_flight--;
    s->stuck = false;
    out_of_hand(s, job);
}

static void return_job(struct schedule *s, struct job *job)
{
    out_of_hand(s, job);
    job->next = NULL;
    *s->returned_end = job;
    s->returned_end = &job->next;
}

void schedule_return_ready(struct schedule *s, struct lane *lane)
{
    struct job *job;
    while ((job = schedule_shift(lane)))
        return_job(s, job);
}

void schedule_return_surplus(struct schedule *s, struct lane *lane)
{
    size_t most = schedule_hand_of_origin(s, lane->origin);
    while (lane->origin->in_hand > most && lane->ready)
        return_job(s, schedule_shift(lane));
}

void schedule_return_origin(struct schedule *s, struct origin *origin)
{
    for (struct lane *lane = s->lanes.oldest; lane; lane = lane->newer)
        if (lane->origin == origin)
            schedule_return_ready(s, lane);
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
        schedule_return_ready(s, lane);
}

void schedule_pauses(struct schedule *s, const struct pauses *pauses)
{
    lanes_pause(&s->lanes, pauses);
    for (struct lane *lane = s->lanes.oldest; lane; lane = lane->newer)
        if (lane->paused)
            schedule_return_ready(s, lane);
}
