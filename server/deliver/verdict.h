/*
 * verdict.h - what an attempt's result says of the receiver, and what it costs the delivery.
 *
 * To change what counts as an attempt: verdict_of() alone, and tests/deliver/faults.md.
 */
#ifndef MXHOOK_DELIVER_VERDICT_H
#define MXHOOK_DELIVER_VERDICT_H

#include <stdbool.h>

#include "result.h"

enum verdict {
    VERDICT_DELIVERED,
    VERDICT_REFUSED,   /* answered, and is well: a 3xx, a 4xx, an SMTP reply about the message */
    VERDICT_FAILING,   /* answered 5xx; the whole request was sent and no answer came; no HTTP */
    VERDICT_SLOW_DOWN, /* flow control: 429, or 503 with Retry-After; costs no attempt */
    VERDICT_GONE,      /* 410: the end of the delivery */
    VERDICT_UNREACHED, /* the receiver is down: not the whole request was sent */
    VERDICT_FINAL,     /* an SMTP reply that will not change, a URL that is none: the end */
    VERDICT_OURS,      /* it failed for a reason of this machine's; says nothing of the receiver */
};

/* Any thread. */
enum verdict verdict_of(const struct attempt_result *result);

/* Is one of those attempts that the destination allows used up by it? Not where a POST has not
 * reached the receiver, or was asked to come later. E-mail has a schedule of four days instead. */
bool verdict_costs(enum verdict verdict, enum protocol protocol);

#endif
