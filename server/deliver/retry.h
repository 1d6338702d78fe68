/*
 * retry.h - what an answer means, and when the next attempt is due.
 */
#ifndef MXHOOK_DELIVER_RETRY_H
#define MXHOOK_DELIVER_RETRY_H

#include "../config/config.h"
#include "../config/destination.h"
#include "result.h"

#define RETRY_AFTER_MAX_MS (24 * 3600 * 1000ll) /* a receiver may put us off for so long */

enum outcome {
    OUTCOME_DELIVERED,
    OUTCOME_RETRY,
    OUTCOME_FAILED, /* another attempt cannot help, or none is left */
};

/* `attempts`: made, this one included. */
enum outcome retry_outcome(const struct retry_config *config, const struct destination *destination,
                           unsigned attempts, const struct attempt_result *result);

/* The pause before the next attempt. `random` spreads deliveries that failed together: up to a
 * tenth is added. */
int64_t retry_pause_ms(const struct retry_config *config, const struct destination *destination,
                       unsigned attempts, const struct attempt_result *result, uint32_t random);

#endif
