/*
 * rspamd_text.h - the texts and numbers of rspamd's answer, as they may stand in a payload, a header and the log.
 *
 * Copies lie in the arena. Any thread.
 */
#ifndef MXHOOK_SCAN_RSPAMD_TEXT_H
#define MXHOOK_SCAN_RSPAMD_TEXT_H

#include <stddef.h>

#include "../base/arena.h"

/* Valid UTF-8, of `max` bytes at most, and ending where a character does. What may not be shown becomes "?",
 * a control character a space. NULL: no memory. */
char *rspamd_copy_text(struct arena *arena, const unsigned char *text, size_t size, size_t max);

/* NULL: no name of a field (RFC 5322 section 2.2), or no memory. */
const char *rspamd_copy_name(struct arena *arena, const unsigned char *name, size_t size);

/* NULL: no action, or no memory. */
const char *rspamd_copy_action(struct arena *arena, const unsigned char *action, size_t size);

/* A number of JSON, which need not end with a NUL. NAN: none that can be counted with. */
double rspamd_read_number(const char *text, size_t size);

/* Ends it before a word of more than RSPAMD_WORD_MAX bytes: a line of a header can be folded only where white space is,
 * and has 998 bytes at most (RFC 5322 section 2.1.1). */
void rspamd_end_before_long_word(char *text);

#endif
