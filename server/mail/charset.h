/*
 * charset.h - text from any charset to valid UTF-8.
 *
 * A declared charset counts where iconv knows it, or knows what is commonly meant by it (charset.c
 * has the table of misnomers). Where nothing usable is declared (no charset, "us-ascii" with 8-bit
 * bytes, "unknown-8bit", a name that nobody knows), text is taken for UTF-8. Bytes that cannot be
 * decoded become U+FFFD either way: nothing is guessed, so the same bytes always give the same
 * text.
 */
#ifndef MXHOOK_MAIL_CHARSET_H
#define MXHOOK_MAIL_CHARSET_H

#include <iconv.h>
#include <stddef.h>

#include "buffer.h"
#include "sink.h"
#include "utf8.h"

struct charset_converter {
    iconv_t iconv; /* (iconv_t)-1: UTF-8 already, only checked */
    size_t unit;   /* bytes that are skipped where one cannot be decoded */
    struct utf8_stream utf8;
    char pending[16]; /* the beginning of a character whose rest is still to come */
    size_t pending_size;
};

/* 0 or -ENOMEM. `name` may be NULL. */
int charset_open(struct charset_converter *converter, const char *name);
void charset_close(struct charset_converter *converter);

/* Text in pieces, cut anywhere; valid UTF-8 goes to the sink. */
int charset_write(struct charset_converter *converter, const char *bytes, size_t size,
                  bytes_sink sink, void *context);
int charset_end(struct charset_converter *converter, bytes_sink sink, void *context);

/* A whole short text at once, by the rules above. */
int charset_append(struct buffer *to, const char *name, const char *bytes, size_t size);

#endif
