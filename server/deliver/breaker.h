/*
 * breaker.h - a circuit breaker: when nothing is sent to a receiver that fails.
 *
 * closed       requests go out
 * open         none do, until a pause is over
 * probing      one does (half-open): its end closes the breaker, or opens it for twice as long
 */
#ifndef MXHOOK_DELIVER_BREAKER_H
#define MXHOOK_DELIVER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "../config/config.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING };

struct breaker { /* all zero is a closed one */
    enum breaker_state state;
    unsigned failures; /* in a row */
    int64_t pause_ms;  /* the last one */
    int64_t until_ms;  /* while open: when it may be probed, on the schedule's clock */
};

enum breaker_change { BREAKER_AS_IT_WAS, BREAKER_HAS_OPENED, BREAKER_HAS_CLOSED };

/* Notes a request that failed; after the configuration's number in a row it opens, a probe's at once. */
enum breaker_change breaker_failed(struct breaker *breaker, const struct deliver_config *config,
                                   int64_t now_ms);
/* Notes one that did not fail, which closes it. */
enum breaker_change breaker_succeeded(struct breaker *breaker);
/* Opens it for that long, whatever it was. */
void breaker_open(struct breaker *breaker, int64_t pause_ms, int64_t now_ms);
/* An open one whose pause is over probes. */
void breaker_look(struct breaker *breaker, int64_t now_ms);
bool breaker_at_rest(const struct breaker *breaker); /* it has nothing to remember */

#endif
