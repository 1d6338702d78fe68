/*
 * log_format.h - a line of the log as JSON, and as the journal of systemd takes it.
 *
 * JSON     {"time":"2026-11-24T10:00:00.123Z","level":"info","event":"accepted","id":"...",...}: flat, the keys of the
 *          text, numbers as numbers
 * journal  PRIORITY, MESSAGE (the line without its time), SYSLOG_IDENTIFIER, MXHOOK_EVENT, MXHOOK_ID, MXHOOK_MESSAGE
 *          (the id of the message that a delivery's or a message's id begins with), MXHOOK_ORIGIN
 *
 * Both give the number of bytes that were written to `out`, cut where there is too little room. Any thread.
 */
#ifndef MXHOOK_LOG_FORMAT_H
#define MXHOOK_LOG_FORMAT_H

#include <stddef.h>

#include "log.h"

/* With a newline at its end; a line that is cut is still a whole object. `time` is as in the text. */
size_t log_format_json(char *out, size_t room, const char *time, enum log_level level,
                       const char *event, const char *id, const struct log_field *fields);

/* As one datagram of the journal's native protocol; `text` is the line without its time and its newline. */
size_t log_format_journal(char *out, size_t room, const char *text, enum log_level level,
                          const char *event, const char *id, const struct log_field *fields);

/* True where $JOURNAL_STREAM says that stderr goes to the journal. */
bool log_stderr_is_journal(void);
/* Sends a datagram there. False where it does not take it. */
bool log_send_journal(const char *bytes, size_t size);

#endif
