/*
 * charset.h - text from any charset to valid UTF-8.
 *
 * The charsets are a list (charset_names.c): those of the WHATWG Encoding Standard by all of their
 * labels, decoded as it says, and what else mail has. Names are read without case and punctuation. A
 * name that is not in the list, no name, and those that say nothing ("us-ascii", "unknown-8bit")
 * declare nothing: what charset_guess() says counts then.
 *
 * Bytes that cannot be decoded become U+FFFD. After a bad pair of bytes the next character begins
 * behind it, or with its second byte where that is ASCII. The same bytes always give the same text,
 * however they are cut.
 */
#ifndef MXHOOK_MAIL_CHARSET_H
#define MXHOOK_MAIL_CHARSET_H

#include <iconv.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "sink.h"
#include "utf8.h"

struct charset; /* charset_names.h */

struct charset_converter {
    const struct charset *charset; /* NULL: UTF-8, only checked */
    iconv_t iconv;                 /* of those that have no table; else (iconv_t)-1 */
    struct utf8_stream utf8;
    char pending[8]; /* the beginning of a character whose rest is still to come */
    size_t pending_size;
    uint8_t set;     /* of charsets with states: which characters are meant */
    bool big_endian; /* UTF-16, as its first two bytes may say */
    bool begun;      /* UTF-16: they were read */
};

/* 0 or -ENOMEM. `name` may be NULL; a name that declares nothing is UTF-8. */
int charset_open(struct charset_converter *converter, const char *name);
void charset_close(struct charset_converter *converter);

/* Text in pieces, cut anywhere; valid UTF-8 goes to the sink. */
int charset_write(struct charset_converter *converter, const char *bytes, size_t size,
                  bytes_sink sink, void *context);
int charset_end(struct charset_converter *converter, bytes_sink sink, void *context);

/* A whole short text at once; where the name declares nothing, in the charset that it is taken for. */
int charset_append(struct buffer *to, const char *name, const char *bytes, size_t size);

/* Does the name declare anything? */
bool charset_is_known(const char *name);

/* --- Text of which nothing is known --- */

/* What was seen of it. All zero at the beginning. */
struct charset_evidence {
    bool high, multibyte, escapes;
    uint8_t need, low, high_byte; /* of a UTF-8 character that has begun */
    uint8_t escape;               /* how much of an escape sequence was just seen */
};

/* Bytes in pieces. */
void charset_look(struct charset_evidence *evidence, const char *bytes, size_t size);

/* What it is taken for: UTF-8 where there is any valid character of more than one byte; else
 * windows-1252 where there are bytes above 0x7F; else ISO-2022-JP where there are its escape
 * sequences. NULL: ASCII. */
const char *charset_of_evidence(const struct charset_evidence *evidence);
const char *charset_guess(const char *bytes, size_t size); /* of a whole text */

#endif
