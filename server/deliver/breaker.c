#include "breaker.h"

void breaker_open(struct breaker *breaker, int64_t pause_ms, int64_t now_ms)
{
    breaker->state = BREAKER_OPEN;
    breaker->pause_ms = pause_ms;
    breaker->until_ms = now_ms + pause_ms;
}

enum breaker_change breaker_failed(struct breaker *breaker, const struct deliver_config *config,
                                   int64_t now_ms)
{
    bool probing = breaker->state == BREAKER_PROBING;
    breaker->failures++;
    if (!probing &&
        (breaker->state == BREAKER_OPEN || breaker->failures < config->breaker_failures))
        return BREAKER_AS_IT_WAS;
    int64_t pause = probing ? breaker->pause_ms * 2 : config->breaker_pause_ms;
    if (pause > config->breaker_pause_max_ms)
        pause = config->breaker_pause_max_ms;
    breaker_open(breaker, pause, now_ms);
    return BREAKER_HAS_OPENED;
}

enum breaker_change breaker_succeeded(struct breaker *breaker)
{
    bool was_closed = breaker->state == BREAKER_CLOSED;
    *breaker = (struct breaker){0};
    return was_closed ? BREAKER_AS_IT_WAS : BREAKER_HAS_CLOSED;
}

void breaker_look(struct breaker *breaker, int64_t now_ms)
{
    if (breaker->state == BREAKER_OPEN && now_ms >= breaker->until_ms)
        breaker->state = BREAKER_PROBING;
}

bool breaker_at_rest(const struct breaker *breaker)
{
    return breaker->state == BREAKER_CLOSED && breaker->failures == 0;
}
