#include "retry.h"

static unsigned attempts_max(const struct retry_terms *terms)
{
    const struct destination *destination = terms->destination;
    if (destination->attempts)
        return destination->attempts;
    if (destination->schedule_count > 0) /* each of its pauses is meant to be used */
        return (unsigned)destination->schedule_count + 1;
    return terms->config->attempts;
}

bool retry_costs(const struct retry_terms *terms)
{
    return result_class_costs(terms->class, terms->protocol) ||
           (terms->class == RESULT_UNREACHED && attempts_max(terms) == 1);
}

enum outcome retry_outcome(const struct retry_terms *terms)
{
    if (terms->class == RESULT_DELIVERED)
        return OUTCOME_DELIVERED;
    if (terms->class == RESULT_FINAL || terms->class == RESULT_GONE)
        return OUTCOME_FAILED;
    if (!retry_costs(terms))
        return OUTCOME_RETRY;
    return terms->attempts >= attempts_max(terms) ? OUTCOME_FAILED : OUTCOME_RETRY;
}

static int64_t scheduled_ms(const struct retry_terms *terms)
{
    const struct destination *destination = terms->destination;
    size_t index = terms->attempts > 0 ? terms->attempts - 1 : 0;
    bool own = destination->schedule_count > 0;
    const int64_t *pauses = own ? destination->schedule_ms : terms->config->schedule_ms;
    size_t count = own ? destination->schedule_count : terms->config->schedule_count;
    return count == 0 ? 0 : pauses[index < count ? index : count - 1];
}

/* The first pause that is not over yet, were they waited for since it was last reached. */
static int64_t unreachable_ms(const struct retry_terms *terms)
{
    const struct retry_config *config = terms->config;
    int64_t passed = 0;
    for (size_t i = 0; i + 1 < config->unreachable_count; i++) {
        passed += config->unreachable_ms[i];
        if (passed > terms->down_ms)
            return config->unreachable_ms[i];
    }
    return config->unreachable_count ? config->unreachable_ms[config->unreachable_count - 1] : 0;
}

int64_t retry_pause_ms(const struct retry_terms *terms)
{
    int64_t asked = terms->asked_ms < RETRY_AFTER_MAX_MS ? terms->asked_ms : RETRY_AFTER_MAX_MS;
    if (terms->class == RESULT_SLOW_DOWN)
        return asked;
    int64_t pause = retry_costs(terms) ? scheduled_ms(terms) : unreachable_ms(terms);
    if (asked > pause)
        pause = asked;
    int64_t spread = pause / 10 * (terms->random % 1024) / 1024;
    if (pause <= RETRY_AFTER_MAX_MS && pause + spread > RETRY_AFTER_MAX_MS)
        return RETRY_AFTER_MAX_MS;
    return pause + spread;
}
