/*
 * breaker.h - when an origin is to be left alone.
 *
 * closed       requests go out
 * open         none do, until a pause is over
 * probing      one does (half-open): its end closes the breaker, or opens it for twice as long
 *
 * And its pace: how many requests an origin gets at once, which 429 and 503 halve, and each success
 * raises again by one.
 */
#ifndef MXHOOK_DELIVER_BREAKER_H
#define MXHOOK_DELIVER_BREAKER_H

#include "../config/config.h"
#include "result.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING };

struct breaker { /* all zero is a closed one */
    enum breaker_state state;
    unsigned failures; /* in a row */
    int64_t pause_ms;  /* the last one */
    int64_t until_ms;  /* while open: when it may be probed, on the monotonic clock */
    size_t pace;       /* 0: not slowed down */
};

enum breaker_change { BREAKER_AS_IT_WAS, BREAKER_HAS_OPENED, BREAKER_HAS_CLOSED };

/* Notes the end of a request. `under_way`: the origin's others at that time. */
enum breaker_change breaker_note(struct breaker *breaker, const struct deliver_config *config,
                                 const struct attempt_result *result, size_t under_way,
                                 int64_t now_ms);
/* An open one whose pause is over probes. */
void breaker_look(struct breaker *breaker, int64_t now_ms);
bool breaker_at_rest(const struct breaker *breaker); /* it has nothing to remember */
/* How many requests at once. */
size_t breaker_allows(const struct breaker *breaker, const struct deliver_config *config);

#endif
