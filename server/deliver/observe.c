#include "observe.h"

#include "../base/clock.h"
#include "../base/metrics.h"
#include "../history/history.h"
#include "../history/keep.h"
#include "../spool/origin.h"
#include "result.h"

static const char *kind_of(const struct delivery *delivery)
{
    if (delivery->about)
        return "notice";
    return destination_is_mail(&delivery->destination) ? "mail" : "webhook";
}

static const char *result_name(const struct attempt_result *result)
{
    static const char *const classes[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
    if (result->status == 0)
        return result->failure ? result->failure : "other";
    if (result->status == 429 && result->protocol == PROTOCOL_HTTP)
        return "429";
    int class = result->status / 100;
    return class >= 1 && class <= 5 ? classes[class] : "other";
}

void observe_begin(const struct delivery *delivery)
{
    char origin[ORIGIN_SIZE];
    origin_of(delivery_origin(delivery), origin);
    metric_add(METRIC_ORIGIN_IN_FLIGHT, 1, origin);
}

void observe_attempt(const struct delivery *delivery, const struct attempt_result *result,
                     enum history_state state)
{
    char origin[ORIGIN_SIZE];
    const char *kind = kind_of(delivery);
    origin_of(delivery_origin(delivery), origin);
    metric_add(METRIC_ORIGIN_IN_FLIGHT, -1, origin);
    metric_add(METRIC_ATTEMPTS_TOTAL, 1, origin, result_name(result));
    metric_add(METRIC_ATTEMPT_SECONDS_TOTAL, 1000 * result->elapsed_ms, origin);
    metric_observe(METRIC_ATTEMPT_DURATION, (double)result->elapsed_ms / 1000, kind);
    if (result->repeated)
        metric_add(METRIC_REQUESTS_REPEATED_TOTAL, 1, origin);
    if (history_is_on() && !result->starved)
        history_note_attempt(history_attempt_new(delivery, state));
    if (state == HISTORY_WAITING)
        return;
    metric_add(METRIC_DELIVERIES_TOTAL, 1, kind,
               state == HISTORY_DELIVERED ? "delivered" : "failed");
    if (state == HISTORY_DELIVERED)
        metric_observe(METRIC_DELIVERY_LATENCY,
                       (double)(clock_unix_ms() - delivery->created_ms) / 1000, kind);
}

void observe_given_up(const struct delivery *delivery)
{
    metric_add(METRIC_DELIVERIES_TOTAL, 1, kind_of(delivery), "failed");
    if (history_is_on())
        history_note_attempt(history_attempt_new(delivery, HISTORY_FAILED));
}
