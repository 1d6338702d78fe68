/*
 * duration.h - durations as people write them: a number and its unit, "100ms", "1.5s", "10m", "6h", "1d", "2w".
 *
 * The one reader for the configuration, rules, receivers' headers and the command line. No state; any thread.
 */
#ifndef MXHOOK_DURATION_H
#define MXHOOK_DURATION_H

/* Milliseconds of the unit that `text` begins with (small letters), and *end past it; 0: it is none. */
double duration_unit(const char *text, const char **end);

/* Milliseconds of the number and unit that `text` begins with, a blank between them perhaps, and *end past them; -1:
 * there are none. The number is decimal, without a sign or exponent. */
double duration_read(const char *text, const char **end);

#endif
