/*
 * Joins the spool, the schedule and the attempts: what is due comes from the spool, the schedule says
 * what may begin, and what comes of an attempt goes back to both.
 *
 * The end of every attempt, and of every delivery that ends by one, is in attempt_ended(). (What is
 * given up for its age, unattempted, ends in the spool: spool_on_give_up().)
 */
#include "deliver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/metrics.h"
#include "attempt.h"
#include "notice.h"
#include "observe.h"
#include "report.h"
#include "retry.h"
#include "schedule.h"

#define WAKE_MAX_MS   60000 /* looks at the spool at least so often: clocks may jump */
#define WAKE_AGAIN_MS 1000  /* when something is due that could not be had */
#define STARVED_MS    5000  /* before an attempt that memory or descriptors were short for */
#define SETTLE_MS     50    /* until the end of an attempt is stored for sure */

enum deliver_state { DELIVER_IDLE, DELIVER_RUNNING, DELIVER_STOPPING, DELIVER_FREED };

/* A delivery in hand; in the list once its attempt is under way. */
struct flight {
    struct job job; /* first */
    struct flight *next, **link;
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
    struct flight *flights;
    struct claim claim;
    bool claiming;
    bool more; /* the spool has something due that was not brought */
    uv_timer_t timer;
    bool timer_open;
    int64_t wake_ms;   /* that the timer is set for, on the monotonic clock; INT64_MAX: not set */
    int64_t ask_ms;    /* the same: when to ask the spool */
    int64_t tidied_ms; /* when the schedule last was */
    uint32_t random;
    void (*idle)(void *context);
    void *idle_context;
};

static void on_timer(uv_timer_t *timer);
static void ask_spool(struct deliver *d);

/* ---- The timer ---- */

static void set_timer(struct deliver *d, int64_t wait_ms)
{
    int64_t now = clock_monotonic_ms();
    if (d->state != DELIVER_RUNNING)
        return;
    if (wait_ms < 0)
        wait_ms = 0;
    if (wait_ms > WAKE_MAX_MS)
        wait_ms = WAKE_MAX_MS;
    if (now + wait_ms >= d->wake_ms)
        return;
    d->wake_ms = now + wait_ms;
    uv_timer_start(&d->timer, on_timer, (uint64_t)wait_ms, 0);
}

/* The spool may have something then. */
static void ask_in(struct deliver *d, int64_t wait_ms)
{
    int64_t at_ms = clock_monotonic_ms() + (wait_ms > 0 ? wait_ms : 0);
    if (at_ms < d->ask_ms)
        d->ask_ms = at_ms;
    set_timer(d, wait_ms);
}

/* ---- What the schedule says ---- */

static void log_change(const struct schedule_change *c, const char *error)
{
    bool lane = c->scope == CHANGE_LANE;
    const char *what = lane ? "destination" : "origin";
    if (c->what == CHANGE_OPENED)
        log_warn(lane ? "destination-open" : "origin-open", NULL, LOG_TEXT(what, c->name),
                 LOG_NUMBER("failures", c->failures), LOG_NUMBER("pause_ms", c->pause_ms),
                 LOG_TEXT("error", error));
    else if (c->what == CHANGE_GONE)
        log_warn("destination-gone", NULL, LOG_TEXT(what, c->name),
                 LOG_NUMBER("failures", c->failures), LOG_NUMBER("pause_ms", c->pause_ms));
    else if (c->what == CHANGE_SLOWED)
        log_warn("destination-slowed", NULL, LOG_TEXT(what, c->name),
                 LOG_NUMBER("pause_ms", c->pause_ms),
                 LOG_NUMBER("per_minute", (int64_t)(c->rate * 60 + 0.5)));
    else if (c->what == CHANGE_CLOSED)
        log_info(lane ? "destination-closed" : "origin-closed", NULL, LOG_TEXT(what, c->name));
}

/* Without memory for it, claims bring some of it in vain; no harm is done. */
static void hold(struct deliver *d, const struct schedule_change *change)
{
    bool fails = change->what == CHANGE_OPENED || change->what == CHANGE_GONE;
    struct held held = {.scope = change->scope == CHANGE_LANE ? HELD_LANE : HELD_ORIGIN,
                        .failures = !fails             ? 0
                                    : change->failures ? change->failures
                                                       : 1,
                        .most = (unsigned)change->most};
    if (change->until_ms)
        held.until_ms = clock_unix_ms() + change->until_ms - clock_monotonic_ms();
    origin_of(change->name, held.origin);
    (void)spool_hold(d->spool, change->name, &held);
}

/* Tells the log and the spool; `error`: of the attempt that has ended, if one has. Returns until when
 * (Unix time) its destination is held after 410 in a row; 0: it is not. */
static int64_t take_changes(struct deliver *d, const char *error)
{
    struct schedule_change change;
    struct job *job;
    int64_t gone_ms = 0;
    while (schedule_change(d->schedule, &change)) {
        if (change.what == CHANGE_GONE)
            gone_ms = clock_unix_ms() + change.pause_ms;
        log_change(&change, error);
        hold(d, &change);
        if (change.until_ms)
            ask_in(d, change.until_ms - clock_monotonic_ms());
        else
            d->more = true;
    }
    while ((job = schedule_returned(d->schedule))) {
        struct flight *flight = (struct flight *)job;
        spool_release(d->spool, flight->delivery);
        free(flight);
    }
    return gone_ms;
}

/* ---- Attempts ---- */

static void count_in_flight(const struct deliver *d)
{
    metric_set(METRIC_DELIVERIES_IN_FLIGHT, (double)schedule_in_flight(d->schedule));
}

static void leave_list(struct flight *flight)
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
        .verdict = end->verdict,
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
        ask_in(d, pause_ms + SETTLE_MS);
        spool_retry(d->spool, delivery);
    }
}

static void pump(struct deliver *d);

static void attempt_ended(void *context, struct delivery *delivery,
                          const struct attempt_result *result)
{
    static const enum history_state states[] = {[OUTCOME_DELIVERED] = HISTORY_DELIVERED,
                                                [OUTCOME_RETRY] = HISTORY_WAITING,
                                                [OUTCOME_FAILED] = HISTORY_FAILED};
    struct flight *flight = context;
    struct deliver *d = flight->deliver;
    struct job_end end = {.verdict = verdict_of(result),
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
    int64_t gone_ms = take_changes(d, result->error);
    hand_back(d, delivery, outcome, pause_ms, gone_ms);
    bool low = schedule_room(d->schedule).low;
    if (d->more && ((low && !was_low) || schedule_in_hand(d->schedule) == 0))
        ask_spool(d);
    pump(d);
}

/* Begins it, or gives it back to the spool: for want of memory, or where it may be another node's. */
static void begin(struct deliver *d, struct flight *flight)
{
    if (spool_may_attempt(d->spool, flight->delivery))
        flight->attempt =
            attempt_start(d->senders, d->config, flight->delivery, attempt_ended, flight);
    if (!flight->attempt) {
        schedule_cancel(d->schedule, &flight->job);
        spool_release(d->spool, flight->delivery);
        free(flight);
        d->more = true;
        ask_in(d, WAKE_AGAIN_MS);
        return;
    }
    observe_begin(flight->delivery);
    flight->next = d->flights;
    flight->link = &d->flights;
    if (d->flights)
        d->flights->link = &flight->next;
    d->flights = flight;
}

/* Begins as many attempts as may. */
static void pump(struct deliver *d)
{
    struct job *job;
    if (d->state == DELIVER_STOPPING && schedule_in_flight(d->schedule) == 0)
        uv_timer_start(&d->timer, on_timer, 0, 0);
    if (d->state != DELIVER_RUNNING)
        return;
    while ((job = schedule_next(d->schedule, clock_monotonic_ms())))
        begin(d, (struct flight *)job);
    count_in_flight(d);
    int64_t wake = schedule_wake(d->schedule);
    if (wake != SCHEDULE_NEVER)
        set_timer(d, wake - clock_monotonic_ms());
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
    struct flight *flight = d->state == DELIVER_RUNNING ? malloc(sizeof *flight) : NULL;
    if (!flight)
        return false;
    *flight = (struct flight){.deliver = d, .delivery = delivery};
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
    take_changes(d, "");
    pump(d);
}

/* ---- The spool ---- */

static void release_list(struct deliver *d, struct delivery *deliveries)
{
    for (struct delivery *next; deliveries; deliveries = next) {
        next = deliveries->next;
        spool_release(d->spool, deliveries);
    }
}

static void maybe_dispose(struct deliver *d)
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
        maybe_dispose(d);
        return;
    }
    schedule_share(d->schedule, answer->nodes);
    d->more |= answer->more;
    if (d->more && none)
        ask_in(d, WAKE_AGAIN_MS);
    if (answer->next_due_ms != INT64_MAX)
        ask_in(d, answer->next_due_ms - clock_unix_ms());
    deliver_take(d, answer->deliveries);
}

/* Asks for what is due, as much as there is room for. */
static void ask_spool(struct deliver *d)
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
        ask_spool(d);
    else
        d->more = true;
}

static void on_timer(uv_timer_t *timer)
{
    struct deliver *d = timer->data;
    int64_t now = clock_monotonic_ms();
    d->wake_ms = INT64_MAX;
    if (d->state == DELIVER_RUNNING) {
        bool a_minute = now - d->tidied_ms >= WAKE_MAX_MS;
        if (a_minute) {
            schedule_tidy(d->schedule, now);
            take_changes(d, "");
            d->tidied_ms = now;
        }
        if (a_minute || d->more || now >= d->ask_ms) {
            d->ask_ms = INT64_MAX;
            deliver_wake(d);
        }
        set_timer(d, d->ask_ms == INT64_MAX ? WAKE_MAX_MS : d->ask_ms - now);
        pump(d);
    } else if (d->state == DELIVER_STOPPING && schedule_in_flight(d->schedule) == 0 && d->idle) {
        void (*idle)(void *context) = d->idle;
        d->idle = NULL;
        idle(d->idle_context);
    }
}

/* ---- Life ---- */

static void on_probe(void *context, uint64_t origin, uint64_t lane)
{
    struct deliver *d = context;
    schedule_end_hold(d->schedule, origin, lane, clock_monotonic_ms());
    ask_spool(d);
    pump(d);
}

static void on_pauses(void *context, const struct pauses *pauses)
{
    struct deliver *d = context;
    schedule_pauses(d->schedule, pauses);
    take_changes(d, "");
}

int deliver_new(uv_loop_t *loop, struct config *config, struct spool *spool, struct deliver **out,
                struct error *err)
{
    struct deliver *d = calloc(1, sizeof *d);
    if (!d || !(d->schedule = schedule_new(&config->deliver))) {
        free(d);
        return error_set(err, -ENOMEM, "deliver: out of memory");
    }
    int code = senders_new(loop, &d->senders);
    if (code != 0) {
        schedule_free(d->schedule);
        free(d);
        return error_set(err, code, "deliver: libcurl cannot be set up");
    }
    d->loop = loop;
    d->config = config_ref(config);
    d->spool = spool;
    d->wake_ms = INT64_MAX;
    d->ask_ms = INT64_MAX;
    d->tidied_ms = clock_monotonic_ms();
    d->timer.data = d;
    d->timer_open = true;
    uv_timer_init(loop, &d->timer);
    if (getrandom(&d->random, sizeof d->random, 0) != (ssize_t)sizeof d->random)
        d->random = (uint32_t)clock_monotonic_us();
    senders_keep(d->senders, config->deliver.max_in_flight);
    spool_on_pauses(spool, on_pauses, d);
    spool_on_probes(spool, on_probe, d);
    *out = d;
    return 0;
}

void deliver_configure(struct deliver *d, struct config *config)
{
    schedule_configure(d->schedule, &config->deliver);
    config_ref(config);
    config_unref(d->config);
    d->config = config;
    senders_keep(d->senders, config->deliver.max_in_flight);
    pump(d); /* a limit may be higher now */
}

void deliver_start(struct deliver *d)
{
    d->state = DELIVER_RUNNING;
    set_timer(d, WAKE_MAX_MS);
    ask_spool(d);
}

void deliver_stop(struct deliver *d, void (*idle)(void *context), void *context)
{
    d->state = DELIVER_STOPPING;
    d->idle = idle;
    d->idle_context = context;
    uv_timer_stop(&d->timer);
    schedule_give_up(d->schedule);
    take_changes(d, "");
    pump(d);
}

static void break_off(struct deliver *d)
{
    while (d->flights) {
        struct flight *flight = d->flights;
        attempt_cancel(flight->attempt);
        leave_list(flight);
        schedule_cancel(d->schedule, &flight->job);
        spool_release(d->spool, flight->delivery);
        free(flight);
    }
}

static void timer_closed(uv_handle_t *handle)
{
    struct deliver *d = handle->data;
    d->timer_open = false;
    maybe_dispose(d);
}

void deliver_free(struct deliver *d)
{
    if (!d)
        return;
    d->state = DELIVER_FREED;
    spool_on_pauses(d->spool, NULL, NULL);
    spool_on_probes(d->spool, NULL, NULL);
    schedule_give_up(d->schedule);
    take_changes(d, "");
    break_off(d);
    schedule_free(d->schedule);
    senders_free(d->senders);
    config_unref(d->config);
    uv_close((uv_handle_t *)&d->timer, timer_closed);
}
