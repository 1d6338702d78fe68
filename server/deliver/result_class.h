/*
 * result_class.h - what an attempt's result says of the receiver, and what it costs the delivery.
 *
 * To change what counts as an attempt: result_class_of() alone, and tests/deliver/faults.md.
 */
#ifndef MXHOOK_DELIVER_RESULT_CLASS_H
#define MXHOOK_DELIVER_RESULT_CLASS_H

#include <stdbool.h>

#include "result.h"

enum result_class {
    RESULT_DELIVERED,
    RESULT_REFUSED,   /* answered, and is well: a 3xx, a 4xx, an SMTP reply about the message */
    RESULT_FAILING,   /* answered 5xx; the whole request was sent and no answer came; no HTTP */
    RESULT_SLOW_DOWN, /* flow control: 429, or 503 with Retry-After; costs no attempt */
    RESULT_GONE,      /* 410: the end of the delivery */
    RESULT_UNREACHED, /* the receiver is down: not the whole request was sent */
    RESULT_FINAL,     /* an SMTP reply that will not change, a URL that is none: the end */
    RESULT_OURS,      /* it failed for a reason of this machine's; says nothing of the receiver */
};

/* Any thread. */
enum result_class result_class_of(const struct attempt_result *result);

/* Is one of those attempts that the destination allows used up by it? Not where a POST has not
 * reached the receiver, or was asked to come later. E-mail has a schedule of four days instead. */
bool result_class_costs(enum result_class class, enum protocol protocol);

#endif
