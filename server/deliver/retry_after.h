/*
 * retry_after.h - how long an answer asks us to wait: read from its headers, in all the forms that
 * are met.
 *
 * Retry-After      seconds or a date (RFC 9110 section 10.2.3); also with a fraction, "30s" or "1m30s";
 *                  Retry-After-Ms; X-Retry-After, X-RateLimit-Retry-After and the like
 * RateLimit-*      RateLimit-Reset, and the later drafts' RateLimit ("limit=10, remaining=0, reset=5",
 *                  "\"name\";r=0;t=5"); of several policies those with nothing remaining
 * X-RateLimit-*    Reset and Reset-After, also Reset-Requests and the like: seconds, a Unix time in
 *                  seconds or ms, a date, or a duration
 */
#ifndef MXHOOK_DELIVER_RETRY_AFTER_H
#define MXHOOK_DELIVER_RETRY_AFTER_H

#include <stddef.h>
#include <stdint.h>

#define WAIT_MAX_MS (24 * 3600 * 1000ll) /* no more is heeded */

struct wait_asked {   /* all zero: nothing was asked for; in ms, at least 1 where it was */
    int64_t exact_ms; /* Retry-After-Ms; of each the longest that the answer has */
    int64_t retry_after_ms;
    int64_t own_ms; /* X-Retry-After and the like */
    int64_t reset_ms;
};

/* Reads one line of an answer's head, of which most say nothing of it. `now_ms`: Unix time. Any
 * thread. */
void wait_read_header(struct wait_asked *wait, const char *line, size_t size, int64_t now_ms);
/* For an answer of this status: the first of Retry-After-Ms, Retry-After, its likes; with 429 else the others. 0:
 * nothing is asked for. */
int64_t wait_asked_ms(const struct wait_asked *wait, int status);

#endif
