/*
 * utf8.h - what is valid UTF-8 (RFC 3629), and what to put where it is not.
 *
 * Each maximal run of bytes that could have begun a character, or else each single byte, becomes
 * one U+FFFD (Unicode 15, section 3.9, "substitution of maximal subparts"; the same as browsers
 * do).
 */
#ifndef MXHOOK_MAIL_UTF8_H
#define MXHOOK_MAIL_UTF8_H

#include <stddef.h>

#include "sink.h"

#define UTF8_REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* How many bytes at the beginning are valid UTF-8, whole characters only. NUL is a character. */
size_t utf8_valid_size(const char *bytes, size_t size);

/* Of valid UTF-8 that was cut off at `size`: how many bytes stand before the character that the cut went through. */
size_t utf8_whole_size(const char *bytes, size_t size);

/* Text in pieces, cut anywhere. All zero at the beginning. */
struct utf8_stream {
    char pending[4]; /* the beginning of a character whose rest is still to come */
    size_t pending_size;
};

/* Hands valid UTF-8 on to the sink. */
int utf8_stream_write(struct utf8_stream *stream, const char *bytes, size_t size, bytes_sink sink,
                      void *context);
/* The end: a character that was never finished is U+FFFD. The stream is as new then. */
int utf8_stream_end(struct utf8_stream *stream, bytes_sink sink, void *context);

#endif
