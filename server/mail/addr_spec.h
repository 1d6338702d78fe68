/* addr_spec.h - for address_entry.c: one address (RFC 5322 section 3.4.1, addr-spec) in the text around it. */
#ifndef MXHOOK_MAIL_ADDR_SPEC_H
#define MXHOOK_MAIL_ADDR_SPEC_H

#include <stdbool.h>
#include <stddef.h>

/* The word around an "@" at or after *begin, outside of quotes and encoded words; false: there is
 * none. `last`: words_end() of the text, or `text` where nothing in it is encoded. */
bool addr_spec_find(const char *text, size_t size, const char *last, size_t *begin, size_t *end);

/* These two change the text, and return its new size.
 *
 * Without the blanks that may stand around "@" and dots (RFC 5322 section 4.4). */
size_t addr_spec_close_up(char *text, size_t size);
/* Without comments; a "(" that is never closed stays. */
size_t addr_spec_drop_comments(char *text, size_t size);

/* Takes "mailto:", a URL's query, and a route (RFC 5322 section 4.4) away. */
void addr_spec_strip(const char **email, size_t *size);

/* Has it more than one "@" outside of quotes? Readers differ about whose it is. */
bool addr_spec_is_ambiguous(const char *email, size_t size);

/* Is it UTF-8, without control characters, and not empty? */
bool addr_spec_is_readable(const char *email, size_t size);

#endif
