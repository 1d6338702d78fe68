/* clock.h - time in milliseconds. Any thread. */
#ifndef MXHOOK_CLOCK_H
#define MXHOOK_CLOCK_H

#include <stdint.h>

int64_t clock_unix_ms(void);      /* since 1970, what is stored and logged */
int64_t clock_monotonic_ms(void); /* never goes back, for durations */
int64_t clock_monotonic_us(void); /* the same in microseconds */

/* By how much the wall clock is ahead of the monotonic one; another number once it was set. */
int64_t clock_ahead_ms(void);

#endif
