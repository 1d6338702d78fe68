/* clock.h - time in milliseconds. Any thread. */
#ifndef MXHOOK_CLOCK_H
#define MXHOOK_CLOCK_H

#include <stdint.h>

int64_t clock_unix_ms(void);      /* since 1970, what is stored and logged */
int64_t clock_monotonic_ms(void); /* never goes back, for durations */
int64_t clock_monotonic_us(void);

#endif
