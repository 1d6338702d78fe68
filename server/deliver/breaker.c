#include "breaker.h"

#define SMTP_CLOSING 421 /* RFC 5321 section 3.8: in answer to any command */

/* The receiver, or the way to it, is at fault; not one request, nor this machine. */
static bool is_failure(const struct attempt_result *result)
{
    if (result->status == 0)
        return !result->hopeless && !result->ours;
    if (result->protocol == PROTOCOL_SMTP)
        return result->status >= 300 && (result->early || result->status == SMTP_CLOSING);
    return result->status >= 500;
}

static void slow_down(struct breaker *breaker, const struct deliver_config *config,
                      const struct attempt_result *result, size_t under_way)
{
    if (result->protocol == PROTOCOL_HTTP && (result->status == 429 || result->status == 503))
        breaker->pace = under_way > 1 ? under_way / 2 : 1;
    else if (breaker->pace > 0 && result->status >= 200 && result->status < 300)
        breaker->pace = breaker->pace < config->max_per_origin ? breaker->pace + 1 : 0;
}

static enum breaker_change trip(struct breaker *breaker, const struct deliver_config *config,
                                int64_t now_ms)
{
    int64_t pause =
        breaker->state == BREAKER_PROBING ? breaker->pause_ms * 2 : config->breaker_pause_ms;
    if (pause > config->breaker_pause_max_ms)
        pause = config->breaker_pause_max_ms;
    breaker->state = BREAKER_OPEN;
    breaker->pause_ms = pause;
    breaker->until_ms = now_ms + pause;
    return BREAKER_HAS_OPENED;
}

enum breaker_change breaker_note(struct breaker *breaker, const struct deliver_config *config,
                                 const struct attempt_result *result, size_t under_way,
                                 int64_t now_ms)
{
    slow_down(breaker, config, result, under_way);
    if (is_failure(result)) {
        breaker->failures++;
        bool enough = breaker->failures >= config->breaker_failures;
        if (breaker->state == BREAKER_PROBING || (breaker->state == BREAKER_CLOSED && enough))
            return trip(breaker, config, now_ms);
        return BREAKER_AS_IT_WAS;
    }
    if (result->status == 0) /* tells nothing of the receiver */
        return BREAKER_AS_IT_WAS;
    bool was_closed = breaker->state == BREAKER_CLOSED;
    breaker->state = BREAKER_CLOSED;
    breaker->failures = 0;
    return was_closed ? BREAKER_AS_IT_WAS : BREAKER_HAS_CLOSED;
}

void breaker_look(struct breaker *breaker, int64_t now_ms)
{
    if (breaker->state == BREAKER_OPEN && now_ms >= breaker->until_ms)
        breaker->state = BREAKER_PROBING;
}

bool breaker_at_rest(const struct breaker *breaker)
{
    return breaker->state == BREAKER_CLOSED && breaker->failures == 0 && breaker->pace == 0;
}

size_t breaker_allows(const struct breaker *breaker, const struct deliver_config *config)
{
    if (breaker->state == BREAKER_OPEN)
        return 0;
    if (breaker->state == BREAKER_PROBING)
        return 1;
    return breaker->pace && breaker->pace < config->max_per_origin ? breaker->pace
                                                                   : config->max_per_origin;
}
