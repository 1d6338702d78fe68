/*
 * What is in hand: deliveries that are ready, and attempts under way.
 *
 * Origins that have something ready stand in a ring, and take turns: so a hundred deliveries for
 * one wait behind none of another. What is in hand is bounded, in all and for each origin; the rest
 * stays in the spool, from which it is claimed as room comes. A delivery that is due later is the
 * spool's again.
 */
#include "deliver_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "attempt.h"

#define HAND_MAX      1024u               /* deliveries in hand */
#define HAND_BYTES    (16u * 1024 * 1024) /* their payloads in memory */
#define ORIGIN_MAX    256u   /* of one origin, or twice its limit of requests if more */
#define WAKE_MAX_MS   60000  /* looks at the spool at least so often: clocks may jump */
#define WAKE_AGAIN_MS 1000   /* when something is due that could not be had */
#define FORGET_MS     600000 /* after the last request, what is known of an origin */

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
        origin = origins_get(&d->origins, delivery_origin(delivery));
    if (origin)
        breaker_look(&origin->breaker, clock_monotonic_ms());
    if (!origin || !has_room_for(d, origin)) {
        if (origin &&
            origin->breaker.state == BREAKER_OPEN) /* the spool's clock is a moment ahead */
            deliver_set_timer(d, origin->breaker.until_ms - clock_monotonic_ms());
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
void deliver_put_down(struct deliver *d, struct origin *origin, const struct delivery *delivery)
{
    uint64_t bytes = d->bytes - payload_memory(delivery->payload);
    bool low = fell(d->bytes, bytes, HAND_BYTES) || fell(d->in_hand, d->in_hand - 1, hand_max(d)) ||
               fell(origin->in_hand, origin->in_hand - 1, origin_max(d));
    d->bytes = bytes;
    d->in_hand--;
    origin->in_hand--;
    if (d->more && low)
        deliver_claim(d);
}

void deliver_take(struct deliver *d, struct delivery *deliveries)
{
    for (struct delivery *next; deliveries; deliveries = next) {
        next = deliveries->next;
        take_one(d, deliveries);
    }
    deliver_pump(d);
}

/* ---- The timer ---- */

void deliver_set_timer(struct deliver *d, int64_t wait_ms)
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

/* ---- Beginning ---- */

static void begin_next(struct deliver *d, struct origin *origin)
{
    struct delivery *delivery = origin_shift(origin);
    if (!spool_may_attempt(d->spool, delivery)) {
        deliver_put_down(d, origin, delivery);
        spool_release(d->spool, delivery);
        return;
    }
    if (flight_begin(d, origin, delivery) == 0)
        return;
    d->more = true;
    deliver_put_down(d, origin, delivery);
    spool_release(d->spool, delivery);
    deliver_set_timer(d, WAKE_AGAIN_MS);
}

/* Begins as many attempts as the limits allow. */
void deliver_pump(struct deliver *d)
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

/* Gives back what has not begun. */
void deliver_release_ready(struct deliver *d, struct origin *origin)
{
    struct delivery *delivery;
    while ((delivery = origin_shift(origin))) {
        origin->in_hand--;
        d->in_hand--;
        d->bytes -= payload_memory(delivery->payload);
        spool_release(d->spool, delivery);
    }
}

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
        deliver_set_timer(d, WAKE_AGAIN_MS);
    if (answer->next_due_ms != INT64_MAX)
        deliver_set_timer(d, answer->next_due_ms - clock_unix_ms());
    deliver_take(d, answer->deliveries);
}

/* Asks for what is due, as much as there is room for. */
void deliver_claim(struct deliver *d)
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
        deliver_claim(d);
    else
        d->more = true;
}

/* Without memory for it, claims bring some of it in vain; no harm is done. */
void deliver_hold(struct deliver *d, const struct origin *origin)
{
    struct held held = {.failures = origin->breaker.failures};
    if (!origin->name)
        return;
    if (origin->breaker.state == BREAKER_OPEN) {
        held.until_ms = clock_unix_ms() + origin->breaker.until_ms - clock_monotonic_ms();
        held.most = 1;
    }
    snprintf(held.origin, sizeof held.origin, "%s", origin->name);
    (void)spool_hold(d->spool, origin->name, &held);
}

/* Those that nobody sends anything any more. */
static void forget_origins(struct deliver *d)
{
    int64_t now = clock_monotonic_ms();
    for (size_t i = 0; i < d->origins.map.capacity; i++) {
        struct origin *origin = d->origins.map.slots[i].value;
        if (origin && origin->in_hand == 0 && now > origin->ended_ms + FORGET_MS &&
            now > origin->breaker.until_ms + FORGET_MS) {
            origin->breaker = (struct breaker){0};
            deliver_hold(d, origin);
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
        deliver_set_timer(d, WAKE_MAX_MS);
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
    int code = senders_new(loop, &d->senders);
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
    senders_keep(d->senders, config->deliver.max_in_flight);
    *out = d;
    return 0;
}

void deliver_configure(struct deliver *d, struct config *config)
{
    config_unref(d->config);
    d->config = config_ref(config);
    senders_keep(d->senders, config->deliver.max_in_flight);
    for (size_t i = 0; i < d->origins.map.capacity; i++) /* a limit may be higher now */
        if (d->origins.map.slots[i].value)
            origins_queue(&d->origins, d->origins.map.slots[i].value);
    deliver_pump(d);
}

void deliver_start(struct deliver *d)
{
    d->state = DELIVER_RUNNING;
    deliver_set_timer(d, WAKE_MAX_MS);
    deliver_claim(d);
}

static void release_all_ready(struct deliver *d)
{
    for (size_t i = 0; i < d->origins.map.capacity; i++)
        if (d->origins.map.slots[i].value)
            deliver_release_ready(d, d->origins.map.slots[i].value);
}

void deliver_stop(struct deliver *d, void (*idle)(void *context), void *context)
{
    d->state = DELIVER_STOPPING;
    d->idle = idle;
    d->idle_context = context;
    uv_timer_stop(&d->timer);
    release_all_ready(d);
    deliver_pump(d);
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
    flights_break_off(d);
    origins_free(&d->origins);
    senders_free(d->senders);
    config_unref(d->config);
    uv_close((uv_handle_t *)&d->timer, timer_closed);
}
