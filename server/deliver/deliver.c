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
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../clock.h"
#include "../log.h"
#include "../spool/map.h"
#include "../spool/origin.h"
#include "attempt.h"
#include "http.h"
#include "redact.h"
#include "retry.h"

#define HAND_MAX      1024u               /* deliveries in hand */
#define HAND_BYTES    (16u * 1024 * 1024) /* their payloads in memory */
#define ORIGIN_MAX    256u  /* of one origin, or twice its limit of requests if more */
#define WAKE_MAX_MS   60000 /* looks at the spool at least so often: clocks may jump */
#define WAKE_AGAIN_MS 1000  /* when something is due that could not be had */
#define SETTLE_MS     50    /* until the end of an attempt is stored for sure */

/* An attempt under way, in the list of all of them. */
struct flight {
    struct flight *next, **link;
    struct deliver *deliver;
    struct origin *origin;
    struct delivery *delivery;
    struct attempt *attempt;
};

struct origin {
    uint64_t key;
    struct origin *next; /* in the ring */
    bool in_ring;        /* it has something ready, and may begin it */
    struct delivery *ready, **ready_end;
    size_t in_hand, in_flight;
};

enum deliver_state { DELIVER_IDLE, DELIVER_RUNNING, DELIVER_STOPPING, DELIVER_FREED };

struct deliver {
    enum deliver_state state;
    uv_loop_t *loop;
    struct config *config;
    struct spool *spool;
    struct http *http;
    struct map origins; /* key -> struct origin, those with something in hand */
    struct origin *ring, **ring_end;
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

/* ---- Origins ---- */

static struct origin *origin_get(struct deliver *d, uint64_t key)
{
    struct origin *origin = map_get(&d->origins, key);
    if (origin)
        return origin;
    origin = calloc(1, sizeof *origin);
    if (!origin)
        return NULL;
    origin->key = key;
    origin->ready_end = &origin->ready;
    if (map_put(&d->origins, key, origin) == 0)
        return origin;
    free(origin);
    return NULL;
}

/* One that has nothing in hand is forgotten, so that their number is bounded too. */
static void origin_settle(struct deliver *d, struct origin *origin)
{
    if (origin->in_hand > 0)
        return;
    map_remove(&d->origins, origin->key);
    free(origin);
}

static void ring_add(struct deliver *d, struct origin *origin)
{
    if (origin->in_ring || !origin->ready || origin->in_flight >= d->config->deliver.max_per_origin)
        return;
    origin->in_ring = true;
    origin->next = NULL;
    *d->ring_end = origin;
    d->ring_end = &origin->next;
}

static struct origin *ring_take(struct deliver *d)
{
    struct origin *origin = d->ring;
    if (!origin)
        return NULL;
    d->ring = origin->next;
    if (!d->ring)
        d->ring_end = &d->ring;
    origin->in_ring = false;
    return origin;
}

/* ---- In and out of hand ---- */

static void take_one(struct deliver *d, struct delivery *delivery)
{
    uint64_t key = origin_key(delivery->destination.url);
    struct origin *origin = d->state == DELIVER_RUNNING ? origin_get(d, key) : NULL;
    if (!origin || origin->in_hand >= origin_max(d)) {
        spool_release(d->spool, delivery);
        d->more = true;
        return;
    }
    delivery->next = NULL;
    *origin->ready_end = delivery;
    origin->ready_end = &delivery->next;
    origin->in_hand++;
    d->in_hand++;
    d->bytes += payload_memory(delivery->payload);
    ring_add(d, origin);
}

static struct delivery *ready_take(struct origin *origin)
{
    struct delivery *delivery = origin->ready;
    origin->ready = delivery->next;
    if (!origin->ready)
        origin->ready_end = &origin->ready;
    return delivery;
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

static void note_result(struct delivery *delivery, const struct http_result *result)
{
    delivery->attempts++;
    delivery->last_status = result->status;
    const char *copy = arena_strdup(delivery->arena, result->error);
    delivery->last_error = copy ? copy : "";
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

static void attempt_ended(void *context, struct delivery *delivery,
                          const struct http_result *result)
{
    struct flight *flight = context;
    struct deliver *d = flight->deliver;
    struct origin *origin = flight->origin;
    const struct deliver_config *config = &d->config->deliver;
    int64_t pause_ms = 0;
    note_result(delivery, result);
    enum outcome outcome =
        retry_outcome(config, &delivery->destination, delivery->attempts, result);
    if (outcome == OUTCOME_RETRY) {
        pause_ms = retry_pause_ms(config, delivery->attempts, result, next_random(d));
        delivery->due_ms = clock_unix_ms() + pause_ms;
    }
    log_attempt(delivery, result, outcome, pause_ms);
    flight_end(flight);
    put_down(d, origin, delivery);
    hand_back(d, delivery, outcome);
    ring_add(d, origin);
    origin_settle(d, origin);
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

/* Begins as many attempts as the limits allow. */
static void pump(struct deliver *d)
{
    while (d->state == DELIVER_RUNNING && d->in_flight < d->config->deliver.max_in_flight) {
        struct origin *origin = ring_take(d);
        if (!origin)
            break;
        struct delivery *delivery = ready_take(origin);
        if (begin(d, origin, delivery) != 0) {
            d->more = true;
            put_down(d, origin, delivery);
            spool_release(d->spool, delivery);
            set_timer(d, clock_unix_ms() + WAKE_AGAIN_MS);
        }
        ring_add(d, origin);
        origin_settle(d, origin);
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

static void on_timer(uv_timer_t *timer)
{
    struct deliver *d = timer->data;
    d->wake_ms = INT64_MAX;
    if (d->state == DELIVER_RUNNING) {
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
    d->ring_end = &d->ring;
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
    for (size_t i = 0; i < d->origins.capacity; i++) /* a limit may be higher now */
        if (d->origins.slots[i].value)
            ring_add(d, d->origins.slots[i].value);
    pump(d);
}

void deliver_start(struct deliver *d)
{
    d->state = DELIVER_RUNNING;
    set_timer(d, INT64_MAX);
    claim(d);
}

/* What has not begun goes back. */
static void release_ready(struct deliver *d)
{
    for (size_t i = 0; i < d->origins.capacity; i++) {
        struct origin *origin = d->origins.slots[i].value;
        while (origin && origin->ready) {
            struct delivery *delivery = ready_take(origin);
            origin->in_hand--;
            d->in_hand--;
            d->bytes -= payload_memory(delivery->payload);
            spool_release(d->spool, delivery);
        }
    }
}

void deliver_stop(struct deliver *d, void (*idle)(void *context), void *context)
{
    d->state = DELIVER_STOPPING;
    d->idle = idle;
    d->idle_context = context;
    uv_timer_stop(&d->timer);
    release_ready(d);
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
    release_ready(d);
    while (d->flights) {
        struct flight *flight = d->flights;
        struct delivery *delivery = flight->delivery;
        attempt_cancel(flight->attempt);
        flight_end(flight);
        spool_release(d->spool, delivery);
    }
    for (size_t i = 0; i < d->origins.capacity; i++)
        free(d->origins.slots[i].value);
    map_free(&d->origins);
    http_free(d->http);
    config_unref(d->config);
    uv_close((uv_handle_t *)&d->timer, timer_closed);
}
