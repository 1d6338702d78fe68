/*
 * The way of a delivery: claimed from the spool, into hand, its attempt, and back to the spool.
 *
 * The end of every attempt, and of every delivery that ends by one, is in attempt_ended(). (What is
 * given up for its age, unattempted, ends in the spool: spool_on_give_up().)
 */
#include <stdlib.h>

#include "../base/clock.h"
#include "../base/metrics.h"
#include "attempt.h"
#include "deliver_private.h"
#include "notice.h"
#include "observe.h"
#include "report.h"
#include "retry.h"

#define WAKE_AGAIN_MS 1000 /* when something is due that could not be had */
#define STARVED_MS    5000 /* before an attempt that memory or descriptors were short for */
#define SETTLE_MS     50   /* until the end of an attempt is stored for sure */

/* ---- Attempts ---- */

static void count_in_flight(const struct deliver *d)
{
    metric_set(METRIC_DELIVERIES_IN_FLIGHT, (double)schedule_in_flight(d->schedule));
}

static void leave_list(struct delivery_job *flight)
{
    *flight->link = flight->next;
    if (flight->next)
        flight->next->link = flight->link;
}

static uint32_t next_random(struct deliver *d)
{
    d->random = d->random * 1664525u + 1013904223u; /* only spreads retries */
    return d->random >> 16;
}

static enum outcome decide(struct deliver *d, struct delivery *delivery,
                           const struct attempt_result *result, const struct job_end *end,
                           int64_t *pause_ms)
{
    bool is_mail = destination_is_mail(&delivery->destination);
    struct retry_terms terms = {
        .config = is_mail ? &d->config->forward.retry : &d->config->deliver.retry,
        .destination = &delivery->destination,
        .class = end->class,
        .protocol = result->protocol,
        .asked_ms = result->retry_after_ms,
        .down_ms = end->outage_ms,
        .random = next_random(d),
    };
    *pause_ms = STARVED_MS;
    if (result->starved)
        return OUTCOME_RETRY;
    delivery->attempts += retry_costs(&terms);
    terms.attempts = delivery->attempts;
    if (end->opens_ms)
        terms.asked_ms = end->opens_ms - clock_monotonic_ms();
    enum outcome outcome = retry_outcome(&terms);
    *pause_ms = outcome == OUTCOME_RETRY ? retry_pause_ms(&terms) : 0;
    return outcome;
}

static void hand_back(struct deliver *d, struct delivery *delivery, enum outcome outcome,
                      int64_t pause_ms, int64_t gone_ms)
{
    delivery->due_ms = clock_unix_ms() + pause_ms;
    if (outcome == OUTCOME_DELIVERED) {
        spool_delivered(d->spool, delivery);
    } else if (outcome == OUTCOME_FAILED) {
        delivery->notice = notice_new(&d->config->deliver, delivery, gone_ms);
        spool_failed(d->spool, delivery);
    } else {
        deliver_ask_in(d, pause_ms + SETTLE_MS);
        spool_retry(d->spool, delivery);
    }
}

static void attempt_ended(void *context, struct delivery *delivery,
                          const struct attempt_result *result)
{
    static const enum history_state states[] = {[OUTCOME_DELIVERED] = HISTORY_DELIVERED,
                                                [OUTCOME_RETRY] = HISTORY_WAITING,
                                                [OUTCOME_FAILED] = HISTORY_FAILED};
    struct delivery_job *flight = context;
    struct deliver *d = flight->deliver;
    struct job_end end = {.class = result_class_of(result),
                          .asked_ms = result->retry_after_ms,
                          .elapsed_ms = result->elapsed_ms};
    bool was_low = schedule_room(d->schedule).low;
    int64_t pause_ms;
    leave_list(flight);
    schedule_ended(d->schedule, &flight->job, &end, clock_monotonic_ms());
    free(flight);
    count_in_flight(d);
    report_note(delivery, result);
    enum outcome outcome = decide(d, delivery, result, &end, &pause_ms);
    report_log(delivery, result, outcome, pause_ms);
    observe_attempt(delivery, result, states[outcome]);
    int64_t gone_ms = deliver_take_changes(d, result->error);
    hand_back(d, delivery, outcome, pause_ms, gone_ms);
    bool low = schedule_room(d->schedule).low;
    if (d->more && ((low && !was_low) || schedule_in_hand(d->schedule) == 0))
        deliver_ask_spool(d);
    deliver_pump(d);
}

/* Begins it, or gives it back to the spool: for want of memory, or where it may be another node's. */
static void begin(struct deliver *d, struct delivery_job *flight)
{
    if (spool_may_attempt(d->spool, flight->delivery))
        flight->attempt =
            attempt_start(d->senders, d->config, flight->delivery, attempt_ended, flight);
    if (!flight->attempt) {
        schedule_cancel(d->schedule, &flight->job);
        spool_release(d->spool, flight->delivery);
        free(flight);
        d->more = true;
        deliver_ask_in(d, WAKE_AGAIN_MS);
        return;
    }
    observe_begin(flight->delivery);
    flight->next = d->flights;
    flight->link = &d->flights;
    if (d->flights)
        d->flights->link = &flight->next;
    d->flights = flight;
}

void deliver_pump(struct deliver *d)
{
    struct job *job;
    if (d->state == DELIVER_STOPPING && schedule_in_flight(d->schedule) == 0)
        uv_timer_start(&d->timer, d->on_timer, 0, 0);
    if (d->state != DELIVER_RUNNING)
        return;
    while ((job = schedule_next(d->schedule, clock_monotonic_ms())))
        begin(d, (struct delivery_job *)job);
    count_in_flight(d);
    int64_t wake = schedule_wake(d->schedule);
    if (wake != SCHEDULE_NEVER)
        deliver_set_timer(d, wake - clock_monotonic_ms());
}

/* ---- Into hand ---- */

bool deliver_has_room(const struct deliver *d)
{
    return d->state == DELIVER_RUNNING && schedule_room(d->schedule).jobs > 0;
}

static bool take_one(struct deliver *d, struct delivery *delivery)
{
    struct job_terms terms = {.url = delivery_origin(delivery),
                              .bytes = payload_memory(delivery->payload),
                              .rate = delivery->destination.rate,
                              .max_in_flight = delivery->destination.max_in_flight};
    struct delivery_job *flight = d->state == DELIVER_RUNNING ? malloc(sizeof *flight) : NULL;
    if (!flight)
        return false;
    *flight = (struct delivery_job){.deliver = d, .delivery = delivery};
    struct probed probed;
    if (spool_is_probe(delivery, &probed))
        schedule_probe(d->schedule, terms.url,
                       probed.scope == HELD_LANE ? CHANGE_LANE : CHANGE_ORIGIN, probed.pause_ms,
                       probed.failures);
    enum put_result put = schedule_put(d->schedule, &flight->job, &terms, clock_monotonic_ms());
    if (put == PUT_READY)
        return true;
    free(flight);
    d->more |= put == PUT_FULL;
    return false;
}

void deliver_take(struct deliver *d, struct delivery *deliveries)
{
    for (struct delivery *next; deliveries; deliveries = next) {
        next = deliveries->next;
        if (!take_one(d, deliveries))
            spool_release(d->spool, deliveries);
    }
    deliver_take_changes(d, "");
    deliver_pump(d);
}

/* ---- The spool ---- */

static void release_list(struct deliver *d, struct delivery *deliveries)
{
    for (struct delivery *next; deliveries; deliveries = next) {
        next = deliveries->next;
        spool_release(d->spool, deliveries);
    }
}

void deliver_dispose_if_over(struct deliver *d)
{
    if (d->state == DELIVER_FREED && !d->claiming && !d->timer_open)
        free(d);
}

static void claimed(struct claim *answer)
{
    struct deliver *d = answer->context;
    bool none = !answer->deliveries;
    d->claiming = false;
    if (d->state != DELIVER_RUNNING) {
        release_list(d, answer->deliveries);
        deliver_dispose_if_over(d);
        return;
    }
    schedule_share(d->schedule, answer->nodes);
    d->more |= answer->more;
    if (d->more && none)
        deliver_ask_in(d, WAKE_AGAIN_MS);
    if (answer->next_due_ms != INT64_MAX)
        deliver_ask_in(d, answer->next_due_ms - clock_unix_ms());
    deliver_take(d, answer->deliveries);
}

void deliver_ask_spool(struct deliver *d)
{
    struct schedule_room room = schedule_room(d->schedule);
    d->more = true;
    if (d->claiming || d->state != DELIVER_RUNNING || room.jobs == 0)
        return; /* more: it is asked for as soon as there is room, or the answer is here */
    d->more = false;
    d->claiming = true;
    d->claim.limit = room.jobs;
    d->claim.bytes = room.bytes;
    d->claim.per_origin = room.per_origin;
    d->claim.per_lane = room.per_lane;
    d->claim.at_once = d->config->deliver.max_per_origin;
    d->claim.nodes = 1;
    d->claim.done = claimed;
    d->claim.context = d;
    spool_claim(d->spool, &d->claim);
}

void deliver_wake(struct deliver *d)
{
    if (schedule_room(d->schedule).low)
        deliver_ask_spool(d);
    else
        d->more = true;
}

void deliver_break_off(struct deliver *d)
{
    while (d->flights) {
        struct delivery_job *flight = d->flights;
        attempt_cancel(flight->attempt);
        leave_list(flight);
        schedule_cancel(d->schedule, &flight->job);
        spool_release(d->spool, flight->delivery);
        free(flight);
    }
}
