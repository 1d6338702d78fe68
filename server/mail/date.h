/*
 * date.h - the Date field (RFC 5322 sections 3.3 and 4.3) as seconds, and the way back.
 *
 * What is read beyond the RFC, since mail has it: ISO 8601, asctime's order, fractions of seconds, AM
 * and PM, zones as "+02:00", "-600", "+02", "GMT+0200", names of zones that stand for one offset, quotes.
 * No zone is UTC, as "-0000" is; one that cannot be read makes the date unreadable.
 */
#ifndef MXHOOK_MAIL_DATE_H
#define MXHOOK_MAIL_DATE_H

#include <stdbool.h>
#include <stdint.h>

#define DATE_MAX_SIZE 512 /* bytes; a longer one is none */

#define DATE_SIZE 40 /* bytes that hold what date_write() writes */

/* As the Date field has it, in UTC: "Tue, 24 Nov 2026 10:00:00 +0000". Returns `out`. Any thread. */
const char *date_write(int64_t seconds, char out[DATE_SIZE]);

/* Unix time, which is negative before 1970; false where the text is no date. */
bool date_read(const char *text, int64_t *seconds);

#endif
