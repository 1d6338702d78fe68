/* Attempts under way, and what comes of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "../base/metrics.h"
#include "../base/redact.h"
#include "attempt.h"
#include "deliver_private.h"
#include "notice.h"
#include "observe.h"
#include "retry.h"

#define STARVED_MS 5000 /* before an attempt that memory or descriptors were short for */
#define SETTLE_MS  50   /* until the end of an attempt is stored for sure */

/* What was tried: a POST to a URL, or mail to an address by a server, whose reply says under what
 * name it has the mail now. */
static void log_mail(const struct delivery *delivery, const struct attempt_result *result,
                     enum outcome outcome, int64_t pause_ms)
{
    const char *to = delivery->destination.url;
    if (outcome == OUTCOME_DELIVERED)
        log_info("delivered", delivery->id, LOG_TEXT("to", to),
                 LOG_TEXT("sender", delivery->mail_from), LOG_TEXT("server", result->server),
                 LOG_NUMBER("ms", result->elapsed_ms), LOG_NUMBER("attempt", delivery->attempts),
                 LOG_TEXT("reply", result->error));
    else if (outcome == OUTCOME_RETRY)
        log_warn("retry", delivery->id, LOG_TEXT("to", to), LOG_TEXT("server", result->server),
                 LOG_NUMBER("ms", result->elapsed_ms), LOG_NUMBER("attempt", delivery->attempts),
                 LOG_NUMBER("next_ms", pause_ms), LOG_TEXT("error", result->error));
    else
        log_error("undelivered", delivery->id, LOG_TEXT("to", to),
                  LOG_TEXT("sender", delivery->mail_from), LOG_TEXT("server", result->server),
                  LOG_NUMBER("ms", result->elapsed_ms), LOG_NUMBER("attempt", delivery->attempts),
                  LOG_TEXT("error", result->error));
}

static void log_attempt(const struct delivery *delivery, const struct attempt_result *result,
                        enum outcome outcome, int64_t pause_ms)
{
    char url[REDACT_SIZE];
    if (destination_is_mail(&delivery->destination)) {
        log_mail(delivery, result, outcome, pause_ms);
        return;
    }
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
static void note_result(struct delivery *delivery, const struct attempt_result *result)
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

static void hand_back(struct deliver *d, struct delivery *delivery, enum outcome outcome,
                      int64_t pause_ms)
{
    if (outcome == OUTCOME_DELIVERED) {
        spool_delivered(d->spool, delivery);
    } else if (outcome == OUTCOME_FAILED) {
        delivery->notice = notice_new(&d->config->deliver, delivery);
        spool_failed(d->spool, delivery);
    } else {
        deliver_set_timer(d, pause_ms + SETTLE_MS);
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
    metric_set(METRIC_DELIVERIES_IN_FLIGHT, (double)d->in_flight);
    free(flight);
}

static void note_origin(struct deliver *d, struct origin *origin, const char *url,
                        const struct attempt_result *result)
{
    char name[ORIGIN_SIZE];
    struct breaker *breaker = &origin->breaker;
    origin->ended_ms = clock_monotonic_ms();
    enum breaker_change change =
        breaker_note(breaker, &d->config->deliver, result, origin->in_flight, origin->ended_ms);
    if (change == BREAKER_AS_IT_WAS)
        return;
    origin_of(url, name);
    if (!origin->name)
        origin->name = strdup(name);
    deliver_hold(d, origin);
    if (change == BREAKER_HAS_OPENED) {
        log_warn("origin-open", NULL, LOG_TEXT("origin", name),
                 LOG_NUMBER("failures", breaker->failures),
                 LOG_NUMBER("pause_ms", breaker->pause_ms), LOG_TEXT("error", result->error));
        deliver_release_ready(d, origin);
        deliver_set_timer(d, breaker->pause_ms);
    } else {
        log_info("origin-closed", NULL, LOG_TEXT("origin", name));
        deliver_claim(d);
    }
}

static enum outcome decide(struct deliver *d, struct delivery *delivery,
                           const struct attempt_result *result, int64_t *pause_ms)
{
    const struct retry_config *config = destination_is_mail(&delivery->destination)
                                            ? &d->config->forward.retry
                                            : &d->config->deliver.retry;
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
                          const struct attempt_result *result)
{
    struct flight *flight = context;
    struct deliver *d = flight->deliver;
    struct origin *origin = flight->origin;
    int64_t pause_ms;
    note_result(delivery, result);
    enum outcome outcome = decide(d, delivery, result, &pause_ms);
    log_attempt(delivery, result, outcome, pause_ms);
    observe_attempt(delivery, result, outcome);
    flight_end(flight);
    note_origin(d, origin, delivery_origin(delivery), result);
    deliver_put_down(d, origin, delivery);
    delivery->due_ms = clock_unix_ms() + pause_ms;
    hand_back(d, delivery, outcome, pause_ms);
    origins_queue(&d->origins, origin);
    origins_settle(&d->origins, origin);
    deliver_pump(d);
}

int flight_begin(struct deliver *d, struct origin *origin, struct delivery *delivery)
{
    struct flight *flight = malloc(sizeof *flight);
    if (!flight)
        return -ENOMEM;
    *flight = (struct flight){d->flights, &d->flights, d, origin, delivery, NULL};
    flight->attempt = attempt_start(d->senders, d->config, delivery, attempt_ended, flight);
    if (!flight->attempt) {
        free(flight);
        return -ENOMEM;
    }
    if (d->flights)
        d->flights->link = &flight->next;
    d->flights = flight;
    origin->in_flight++;
    d->in_flight++;
    metric_set(METRIC_DELIVERIES_IN_FLIGHT, (double)d->in_flight);
    return 0;
}

void flights_break_off(struct deliver *d)
{
    while (d->flights) {
        struct flight *flight = d->flights;
        struct delivery *delivery = flight->delivery;
        attempt_cancel(flight->attempt);
        flight_end(flight);
        spool_release(d->spool, delivery);
    }
}
