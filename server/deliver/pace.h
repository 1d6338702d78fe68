/*
 * pace.h - how fast a destination takes what is sent to it.
 *
 * hold         after flow control (429, 503 with Retry-After) nothing is sent until it is over: as
 *              long as the receiver asked for, else a second, doubled while nothing is taken
 * rate         additive increase, multiplicative decrease (AIMD): none until the first flow control;
 *              then what the receiver took since it was last sent to freely, a second, less a tenth.
 *              What is taken raises it by 0.4 % a second of what it was lowered to, more as time
 *              passes; the next flow control lowers it again
 * limit        of the operator (a destination's rate): the rate is never above it
 */
#ifndef MXHOOK_DELIVER_PACE_H
#define MXHOOK_DELIVER_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_FORGET_MS 600000 /* without flow control, after which there is no rate */

struct pace {          /* all zero: sends as fast as it can */
    double limit;      /* requests a second; 0: none */
    double rate;       /* the same, adapted; 0: none */
    double lowered_to; /* the rate, last time */
    int64_t until_ms;  /* end of the hold */
    int64_t pause_ms;  /* of the last hold that the receiver gave no time for */
    int64_t since_ms;  /* what it took is counted from here */
    unsigned took;
    int64_t slowed_ms; /* when flow control was last heeded */
    double next_ms;    /* when the next request may begin, where there is a rate */
};

/* When a request may begin: `now_ms` or earlier is now. */
int64_t pace_next(const struct pace *pace);
/* One begins. */
void pace_begin(struct pace *pace, int64_t now_ms);
/* One was answered, and not by flow control. */
void pace_took(struct pace *pace, int64_t now_ms);
/* One that began at `begun_ms` was answered by flow control, that asks for a pause of `asked_ms`
 * (0: of no certain length). */
void pace_slow_down(struct pace *pace, int64_t begun_ms, int64_t asked_ms, int64_t now_ms);
/* What is held by it may be tried at once, and goes on as slowly as before. */
void pace_probe(struct pace *pace, int64_t now_ms);
double pace_rate(const struct pace *pace); /* that holds now; 0: none */
/* Forgets a rate that has not been needed for long. True where nothing is to be remembered. */
bool pace_rest(struct pace *pace, int64_t now_ms);

#endif
