/* when.h - times as people write and read them; cli_when() of cli.h is the same for now. */
#ifndef MXHOOK_CLI_WHEN_H
#define MXHOOK_CLI_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/* Reads a time into Unix ms, where it is `now_ms`: "2026-11-24", "2026-11-24 10:00", "2026-11-24T10:00:00Z",
 * "...+02:00"; "10:00" (today); "now", "today", "yesterday"; how long ago: "30m", "2h", "1d12h", "1w", also
 * with "ago". Without a zone it is the local time. False: it is none of these. */
bool when_parse(const char *text, int64_t now_ms, int64_t *ms);

#define WHEN_SIZE 32 /* bytes that hold what when_write() writes */

/* "2026-11-24T10:00:00Z"; 0: "-". Returns text. */
const char *when_write(int64_t unix_ms, char text[WHEN_SIZE]);

#define WHEN_EXPECTED "a time, such as 2h, yesterday, 2026-11-24 or 2026-11-24T10:00:00+01:00"

#endif
