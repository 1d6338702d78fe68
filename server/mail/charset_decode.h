/* charset_decode.h - one character from the bytes of a charset, for charset.c. */
#ifndef MXHOOK_MAIL_CHARSET_DECODE_H
#define MXHOOK_MAIL_CHARSET_DECODE_H

#include "charset.h"
#include "charset_names.h"

#define DECODE_MAX 8 /* bytes of one character or escape sequence, at most */

/* What one step made of its bytes. */
struct decoded {
    size_t used;      /* bytes; 0: it needs more of them */
    uint32_t code[2]; /* 0: nothing (an escape sequence); DECODE_BAD: it cannot be decoded */
};

#define DECODE_BAD UINT32_C(0xFFFD)

/* Decodes at least one byte of `size` > 0. `last`: nothing follows these bytes. Not for a
 * CHARSET_ICONV. charset_prepare() was called for the converter's charset. */
struct decoded charset_decode(struct charset_converter *converter, const uint8_t *bytes,
                              size_t size, bool last);

/* Makes the tables that a charset needs; 0 or -ENOMEM. */
int charset_prepare(const struct charset *charset);

/* A valid UTF-8 character of more than one byte at `bytes`: its size; 0: there is none. *more: there
 * may be one with more bytes. */
size_t charset_utf8_at(const uint8_t *bytes, size_t size, bool *more);

#endif
