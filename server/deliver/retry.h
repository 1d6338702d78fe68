/*
 * retry.h - what becomes of a delivery after an attempt, and when the next one is due.
 */
#ifndef MXHOOK_DELIVER_RETRY_H
#define MXHOOK_DELIVER_RETRY_H

#include "../config/config.h"
#include "../config/destination.h"
#include "result_class.h"

#define RETRY_AFTER_MAX_MS (24 * 3600 * 1000ll) /* a receiver may make us wait for so long */

enum outcome {
    OUTCOME_DELIVERED,
    OUTCOME_RETRY,
    OUTCOME_FAILED, /* another attempt cannot help, or none is left */
};

/* What counts, of a delivery and its attempt. */
struct retry_terms {
    const struct retry_config *config;
    const struct destination *destination;
    enum result_class class;
    enum protocol protocol;
    unsigned attempts; /* made, this one included if it costs one */
    int64_t asked_ms;  /* the pause that the receiver asked for; 0: none */
    int64_t down_ms;   /* it has not been reached for so long */
    uint32_t random;   /* spreads deliveries that failed together: up to a tenth is added */
};

/* Does it use up one of the attempts? result_class_costs() says so; and where the operator allows one
 * only, one that has not reached the receiver is that one. */
bool retry_costs(const struct retry_terms *terms);
/* What becomes of it, now that the attempt has ended. */
enum outcome retry_outcome(const struct retry_terms *terms);
/* The pause before the next attempt: of the schedule, or, where the receiver was not reached, of
 * the config's unreachable_schedule, by how long it has not been; at least what the receiver asked
 * for, up to a day. */
int64_t retry_pause_ms(const struct retry_terms *terms);

#endif
