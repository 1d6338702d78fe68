/*
 * words.h - encoded words (RFC 2047) and raw 8-bit text (RFC 6532) in header fields.
 *
 * A field's raw value goes in as it stood, folded; what comes out is unfolded, decoded, valid
 * UTF-8.
 *
 * What is read beyond the RFC, since mail has it: words that touch other text or each other, spaces
 * and line breaks inside a word, words in quoted strings, base64 without or with wrong padding, one
 * character or one base64 stream cut over adjacent words, raw 8-bit text in any charset. What is
 * not an encoded word after all stays as it stands.
 */
#ifndef MXHOOK_MAIL_WORDS_H
#define MXHOOK_MAIL_WORDS_H

#include <stddef.h>

#include "buffer.h"

/* Both append to `to`: 0 or -ENOMEM. */

/* An unstructured field, as Subject (RFC 5322 section 2.2.1); any field as people read it. */
int words_decode(struct buffer *to, const char *raw, size_t size);

/* A field of addresses: what was encoded comes out quoted, so that a comma or an angle bracket in a
 * name is not taken for the field's own. NUL becomes U+FFFD. */
int words_decode_addresses(struct buffer *to, const char *raw, size_t size);

/* The same as words_decode() for a piece of a field: `guess` is charset_guess() of the whole. */
int words_decode_as(struct buffer *to, const char *raw, size_t size, const char *guess);

/* Past the last "?=", or `begin`: no word ends behind it. */
const char *words_end(const char *begin, const char *end);
/* Past the word that begins at `at`, or NULL; `last` is words_end() of the text. */
const char *words_skip(const char *at, const char *end, const char *last);

#endif
