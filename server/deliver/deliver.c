/*
 * What is in hand: deliveries that are ready, and attempts under way.
 *
 * Origins that have something ready stand in a ring, and take turns: so a hundred deliveries for
 * one wait behind none of another. What is in hand is bounded, in all and for each origin; the rest
 * stays in the spool, from which it is claimed as room comes. A delivery that is due later is the
 * spool's again.
 */
#include "deliver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../clock.h"
#include "../log.h"
#include "attempt.h"
#include "breaker.h"
#include "http.h"
#include "origins.h"
#include "redact.h"
#include "retry.h"

#define HAND_MAX      1024u               /* deliveries in hand */
#define HAND_BYTES    (16u * 1024 * 1024) /* their payloads in memory */
#define ORIGIN_MAX    256u   /* of one origin, or twice its limit of requests if more */
#define WAKE_MAX_MS   60000  /* looks at the spool at least so often: clocks may jump */
#define WAKE_AGAIN_MS 1000   /* when something is due that could not be had */
#define STARVED_MS    5000   /* before an attempt that memory or descriptors were short for */
#define FORGET_MS     600000 /* after the last request, what is known of an origin */
#define SETTLE_MS     50     /* until the end of an attempt is stored for sure */

/* An attempt under way, in the list of all of them. */
struct flight {
    struct flight *next, **link;
    struct deliver *deliver;
    struct origin *origin;
    struct delivery *delivery;
    struct attempt *attempt;
};

enum deliver_state { DELIVER_IDLE, DELIVER_RUNNING, DELIVER_STOPPING, DELIVER_FREED };

struct deliver {
    enum deliver_state state;
    uv_loop_t *loop;
    struct config *config;
    struct spool *spool;
    struct http *http;
    struct origins origins;
    struct flight *flights;
    size_t in_hand, in_flight;
    uint64_t bytes;
    struct claim claim;
    bool claiming;
    bool more; /* the spool has something due that was not brought */
    uv_timer_t timer;
    bool timer_open;
    int64_t wake_ms; /* Unix time that the timer is set for; INT64_MAX: not set */
    uint32_t random;
    void (*idle)(void *context);
    void *idle_context;
};

static void pump(struct deliver *deliver);
static void claim(struct deliver *deliver);
static void on_timer(uv_timer_t *timer);

/* ---- Limits ---- */

static size_t origin_max(const struct deliver *d)
{
    size_t twice = d->config->deliver.max_per_origin * 2;
    return twice > ORIGIN_MAX ? twice : ORIGIN_MAX;
}

static size_t hand_max(const struct deliver *d)
{
    size_t twice = d->config->deliver.max_in_flight * 2;
    return twice > HAND_MAX ? twice : HAND_MAX;
}

bool deliver_has_room(const struct deliver *d)
{
    return d->state == DELIVER_RUNNING && d->in_hand < hand_max(d) && d->bytes < HAND_BYTES;
}

/* ---- In and out of hand ---- */

static bool has_room_for(const struct deliver *d, const struct origin *origin)
{
    size_t most = origin->breaker.state == BREAKER_CLOSED
                      ? origin_max(d)
                      : breaker_allows(&origin->breaker, &d->config->deliver);
    return origin->in_hand < most;
}

static void take_one(struct deliver *d, struct delivery *delivery)
{
    struct origin *origin = NULL;
    if (d->state == DELIVER_RUNNING)
        origin = origins_get(&d->origins, delivery->destination.url);
    if (origin)
        breaker_look(&origin->breaker, clock_unix_ms());
    if (!origin || !has_room_for(d, origin)) {
        spool_release(d->spool, delivery);
        d->more = true;
        return;
    }
    origin_push(origin, delivery);
    d->in_hand++;
    d->bytes += payload_memory(delivery->payload);
    origins_queue(&d->origins, origin);
}

/* Has it just fallen to half? Then there is room worth asking for. */
static bool fell(uint64_t before, uint64_t after, uint64_t most)
{
    return (before > most / 2 && after <= most / 2) || after == 0;
}

/* Out of hand: the caller gives the delivery to the spool. */
static void put_down(struct deliver *d, struct origin *origin, const struct delivery *delivery)
{
    uint64_t bytes = d->bytes - payload_memory(delivery->payload);
    bool low = fell(d->bytes, bytes, HAND_BYTES) || fell(d->in_hand, d->in_hand - 1, hand_max(d)) ||
               fell(origin->in_hand, origin->in_hand - 1, origin_max(d));
    d->bytes = bytes;
    d->in_hand--;
    origin->in_hand--;
    if (d->more && low)
        claim(d);
}

void deliver_take(struct deliver *d, struct delivery *deliveries)
{
    for (struct delivery *next; deliveries; deliveries = next) {
        next = deliveries->next;
        take_one(d, deliveries);
    }
    pump(d);
}

/* ---- Attempts ---- */

static void log_attempt(const struct delivery *delivery, const struct http_result *result,
                        enum outcome outcome, int64_t pause_ms)
{
    char url[REDACT_SIZE];
    redact_url(delivery->destination.url, url);
    if (outcome == OUTCOME_DELIVERED)
        log_info("delivered", delivery->id, LOG_TEXT("url", url),
                 LOG_NUMBER("status", result->status), LOG_NUMBER("ms", result->elapsed_ms),
                 LOG_NUMBER("attempt", delivery->attempts));
    else if (outcome == OUTCOME_RETRY)
        log_warn("retry", delivery->id, LOG_TEXT("url", url), LOG_NUMBER("status", result->status),
                 LOG_NUMBER("ms", result->elapsed_ms), LOG_NUMBER("attempt", delivery->attempts),
                 LOG_NUMBER("next_ms", pause_ms), LOG_TEXT("error", result->error));
    else
        log_error("undelivered", delivery->id, LOG_TEXT("url", url),
                  LOG_NUMBER("status", result->status), LOG_NUMBER("ms", result->elapsed_ms),
                  LOG_NUMBER("attempt", delivery->attempts), LOG_TEXT("error", result->error));
}

/* What there is no memory for is not kept. */
static void note_result(struct delivery *delivery, const struct http_result *result)
{
    delivery->attempts++;
    delivery->last_status = result->status;
    delivery->last_error = "";
    delivery->last_at_ms = clock_unix_ms() - result->elapsed_ms;
    delivery->last_ms = result->elapsed_ms;
    delivery->last_reply = NULL;
    delivery->last_reply_size = 0;
    if (result->status >= 200 && result->status < 300)
        return;
    const char *error = arena_strdup(delivery->arena, result->error);
    if (error)
        delivery->last_error = error;
    delivery->last_reply = arena_strndup(delivery->arena, result->reply, result->reply_size);
    if (delivery->last_reply)
        delivery->last_reply_size = result->reply_size;
}

static uint32_t next_random(struct deliver *d)
{
    d->random = d->random * 1664525u + 1013904223u; /* only spreads retries */
    return d->random >> 16;
}

static void set_timer(struct deliver *d, int64_t due_ms)
{
    int64_t now = clock_unix_ms();
    if (d->state != DELIVER_RUNNING)
        return;
    if (due_ms > now + WAKE_MAX_MS)
        due_ms = now + WAKE_MAX_MS;
    if (due_ms >= d->wake_ms)
        return;
    d->wake_ms = due_ms;
    uv_timer_start(&d->timer, on_timer, due_ms > now ? (uint64_t)(due_ms - now) : 0, 0);
}

static void hand_back(struct deliver *d, struct delivery *delivery, enum outcome outcome)
{
    if (outcome == OUTCOME_DELIVERED) {
        spool_delivered(d->spool, delivery);
    } else if (outcome == OUTCOME_FAILED) {
        spool_failed(d->spool, delivery);
    } else {
        set_timer(d, delivery->due_ms + SETTLE_MS);
        spool_retry(d->spool, delivery);
    }
}

static void flight_end(struct flight *flight)
{
    struct deliver *d = flight->deliver;
    *flight->link = flight->next;
    if (flight->next)
        flight->next->link = flight->link;
    flight->origin->in_flight--;
    d->in_flight--;
    free(flight);
}

/* Gives back what has not begun. */
static void release_ready(struct deliver *d, struct origin *origin)
{
    struct delivery *delivery;
    while ((delivery = origin_shift(origin))) {
        origin->in_hand--;
        d->in_hand--;
        d->bytes -= payload_memory(delivery->payload);
        spool_release(d->spool, delivery);
    }
}

/* Tells the spool. Without memory for it, claims bring some of it in vain; no harm is done. */
static void hold(struct deliver *d, const struct origin *origin)
{
    struct held held = {.failures = origin->breaker.failures};
    if (!origin->name)
        return;
    if (origin->breaker.state == BREAKER_OPEN) {
        held.until_ms = origin->breaker.until_ms;
        held.most = 1;
    }
    snprintf(held.origin, sizeof held.origin, "%s", origin->name);
    (void)spool_hold(d->spool, origin->name, &held);
}

static void note_origin(struct deliver *d, struct origin *origin, const char *url,
                        const struct http_result *result)
{
    char name[ORIGIN_SIZE];
    struct breaker *breaker = &origin->breaker;
    origin->ended_ms = clock_unix_ms();
    enum breaker_change change =
        breaker_note(breaker, &d->config->deliver, result, origin->in_flight, origin->ended_ms);
    if (change == BREAKER_AS_IT_WAS)
        return;
    origin_of(url, name);
    if (!origin->name)
        origin->name = strdup(name);
    hold(d, origin);
    if (change == BREAKER_HAS_OPENED) {
        log_warn("origin-open", NULL, LOG_TEXT("origin", name),
                 LOG_NUMBER("failures", breaker->failures),
                 LOG_NUMBER("pause_ms", breaker->pause_ms), LOG_TEXT("error", result->error));
        release_ready(d, origin);
        set_timer(d, breaker->until_ms);
    } else {
        log_info("origin-closed", NULL, LOG_TEXT("origin", name));
        claim(d);
    }
}

static enum outcome decide(struct deliver *d, struct delivery *delivery,
                           const struct http_result *result, int64_t *pause_ms)
{
    const struct deliver_config *config = &d->config->deliver;
    *pause_ms = 0;
    if (result->starved) {
        delivery->attempts--;
        *pause_ms = STARVED_MS;
        return OUTCOME_RETRY;
    }
    enum outcome outcome =
        retry_outcome(config, &delivery->destination, delivery->attempts, result);
    if (outcome == OUTCOME_RETRY)
        *pause_ms = retry_pause_ms(config, &delivery->destination, delivery->attempts, result,
                                   next_random(d));
    return outcome;
}

static void attempt_ended(void *context, struct delivery *delivery,
                          const struct http_result *result)
{
    struct flight *flight = context;
    struct deliver *d = flight->deliver;
    struct origin *origin = flight->origin;
    int64_t pause_ms;
    note_result(delivery, result);
    enum outcome outcome = decide(d, delivery, result, &pause_ms);
    log_attempt(delivery, result, outcome, pause_ms);
    flight_end(flight);
    note_origin(d, origin, delivery->destination.url, result);
    put_down(d, origin, delivery);
    delivery->due_ms = clock_unix_ms() + pause_ms;
    hand_back(d, delivery, outcome);
    origins_queue(&d->origins, origin);
    origins_settle(&d->origins, origin);
    pump(d);
}

static int begin(struct deliver *d, struct origin *origin, struct delivery *delivery)
{
    struct flight *flight = malloc(sizeof *flight);
    if (!flight)
        return -ENOMEM;
    *flight = (struct flight){d->flights, &d->flights, d, origin, delivery, NULL};
    flight->attempt = attempt_start(d->loop, d->http, d->config, delivery, attempt_ended, flight);
    if (!flight->attempt) {
        free(flight);
        return -ENOMEM;
    }
    if (d->flights)
        d->flights->link = &flight->next;
    d->flights = flight;
    origin->in_flight++;
    d->in_flight++;
    return 0;
}

static void begin_next(struct deliver *d, struct origin *origin)
{
    struct delivery *delivery = origin_shift(origin);
    if (begin(d, origin, delivery) == 0)
        return;
    d->more = true;
    put_down(d, origin, delivery);
    spool_release(d->spool, delivery);
    set_timer(d, clock_unix_ms() + WAKE_AGAIN_MS);
}

/* Begins as many attempts as the limits allow. */
static void pump(struct deliver *d)
{
    const struct deliver_config *config = &d->config->deliver;
    struct origin *origin;
    while (d->state == DELIVER_RUNNING && d->in_flight < config->max_in_flight &&
           (origin = origins_next(&d->origins))) {
        if (origin->ready && origin->in_flight < breaker_allows(&origin->breaker, config)) {
            begin_next(d, origin);
            origins_queue(&d->origins, origin);
        }
        origins_settle(&d->origins, origin);
    }
    if (d->state == DELIVER_STOPPING && d->in_flight == 0)
        uv_timer_start(&d->timer, on_timer, 0, 0);
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
    d->more |= answer->more;
    if (d->more && none)
        set_timer(d, clock_unix_ms() + WAKE_AGAIN_MS);
    if (answer->next_due_ms != INT64_MAX)
        set_timer(d, answer->next_due_ms);
    deliver_take(d, answer->deliveries);
}

/* Asks for what is due, as much as there is room for. */
static void claim(struct deliver *d)
{
    d->more = true;
    if (d->claiming || !deliver_has_room(d))
        return; /* more: it is asked for as soon as there is room, or the answer is here */
    d->more = false;
    d->claiming = true;
    d->claim.limit = hand_max(d) - d->in_hand;
    d->claim.bytes = HAND_BYTES - d->bytes;
    d->claim.per_origin = origin_max(d);
    d->claim.done = claimed;
    d->claim.context = d;
    spool_claim(d->spool, &d->claim);
}

void deliver_wake(struct deliver *d)
{
    if (d->in_hand <= hand_max(d) / 2)
        claim(d);
    else
        d->more = true;
}

/* Those that nobody sends anything any more. */
static void forget_origins(struct deliver *d)
{
    int64_t now = clock_unix_ms();
    for (size_t i = 0; i < d->origins.map.capacity; i++) {
        struct origin *origin = d->origins.map.slots[i].value;
        if (origin && origin->in_hand == 0 && now > origin->ended_ms + FORGET_MS &&
            now > origin->breaker.until_ms + FORGET_MS) {
            origin->breaker = (struct breaker){0};
            hold(d, origin);
            origins_settle(&d->origins, origin);
        }
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct deliver *d = timer->data;
    d->wake_ms = INT64_MAX;
    if (d->state == DELIVER_RUNNING) {
        forget_origins(d);
        set_timer(d, INT64_MAX);
        deliver_wake(d);
    } else if (d->state == DELIVER_STOPPING && d->in_flight == 0 && d->idle) {
        void (*idle)(void *context) = d->idle;
        d->idle = NULL;
        idle(d->idle_context);
    }
}

/* ---- Life ---- */

int deliver_new(uv_loop_t *loop, struct config *config, struct spool *spool, struct deliver **out,
                struct error *err)
{
    struct deliver *d = calloc(1, sizeof *d);
    if (!d)
        return error_set(err, -ENOMEM, "deliver: out of memory");
    int code = http_new(loop, &d->http);
    if (code != 0) {
        free(d);
        return error_set(err, code, "deliver: libcurl cannot be set up");
    }
    d->loop = loop;
    d->config = config_ref(config);
    d->spool = spool;
    origins_init(&d->origins);
    d->wake_ms = INT64_MAX;
    d->timer.data = d;
    d->timer_open = true;
    uv_timer_init(loop, &d->timer);
    if (getrandom(&d->random, sizeof d->random, 0) != (ssize_t)sizeof d->random)
        d->random = (uint32_t)clock_monotonic_us();
    http_keep(d->http, config->deliver.max_in_flight);
    *out = d;
    return 0;
}

void deliver_configure(struct deliver *d, struct config *config)
{
    config_unref(d->config);
    d->config = config_ref(config);
    http_keep(d->http, config->deliver.max_in_flight);
    for (size_t i = 0; i < d->origins.map.capacity; i++) /* a limit may be higher now */
        if (d->origins.map.slots[i].value)
            origins_queue(&d->origins, d->origins.map.slots[i].value);
    pump(d);
}

void deliver_start(struct deliver *d)
{
    d->state = DELIVER_RUNNING;
    set_timer(d, INT64_MAX);
    claim(d);
}

static void release_all_ready(struct deliver *d)
{
    for (size_t i = 0; i < d->origins.map.capacity; i++)
        if (d->origins.map.slots[i].value)
            release_ready(d, d->origins.map.slots[i].value);
}

void deliver_stop(struct deliver *d, void (*idle)(void *context), void *context)
{
    d->state = DELIVER_STOPPING;
    d->idle = idle;
    d->idle_context = context;
    uv_timer_stop(&d->timer);
    release_all_ready(d);
    pump(d);
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
    release_all_ready(d);
    while (d->flights) {
        struct flight *flight = d->flights;
        struct delivery *delivery = flight->delivery;
        attempt_cancel(flight->attempt);
        flight_end(flight);
        spool_release(d->spool, delivery);
    }
    origins_free(&d->origins);
    http_free(d->http);
    config_unref(d->config);
    uv_close((uv_handle_t *)&d->timer, timer_closed);
}
