#include "retry.h"

#define HTTP_GONE 410

/* The receiver will not say otherwise later. SMTP: a 5xx (RFC 5321 section 4.2.1), but of one that
 * is about us or about the server, which somebody may put right, only. */
static bool is_final(const struct attempt_result *result)
{
    if (result->protocol == PROTOCOL_SMTP)
        return result->status >= 500 && !result->early;
    return result->status == HTTP_GONE;
}

enum outcome retry_outcome(const struct retry_config *config, const struct destination *destination,
                           unsigned attempts, const struct attempt_result *result)
{
    unsigned most = config->attempts;
    if (destination->attempts)
        most = destination->attempts;
    else if (destination->schedule_count > 0) /* each of its pauses is meant to be used */
        most = (unsigned)destination->schedule_count + 1;
    if (result->status >= 200 && result->status < 300)
        return OUTCOME_DELIVERED;
    if (result->hopeless || is_final(result) || attempts >= most)
        return OUTCOME_FAILED;
    return OUTCOME_RETRY;
}

static int64_t scheduled_ms(const struct retry_config *config,
                            const struct destination *destination, unsigned attempts)
{
    size_t index = attempts > 0 ? attempts - 1 : 0;
    bool own = destination->schedule_count > 0;
    const int64_t *pauses = own ? destination->schedule_ms : config->schedule_ms;
    size_t count = own ? destination->schedule_count : config->schedule_count;
    return count == 0 ? 0 : pauses[index < count ? index : count - 1];
}

int64_t retry_pause_ms(const struct retry_config *config, const struct destination *destination,
                       unsigned attempts, const struct attempt_result *result, uint32_t random)
{
    int64_t pause = scheduled_ms(config, destination, attempts);
    int64_t asked = result->retry_after_ms;
    if (asked > RETRY_AFTER_MAX_MS)
        asked = RETRY_AFTER_MAX_MS;
    if (asked > pause)
        pause = asked;
    return pause + pause / 10 * (random % 1024) / 1024;
}
