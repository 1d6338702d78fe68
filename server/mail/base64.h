/*
 * base64.h - decoding base64 (RFC 4648), quickly where it is lines of whole fours, as attachments
 * have them.
 *
 * A four is four letters that stand for three bytes.
 */
#ifndef MXHOOK_MAIL_BASE64_H
#define MXHOOK_MAIL_BASE64_H

#include <stddef.h>

/* Decodes fours, and passes over CR and LF between them, up to the first four that is not whole:
 * padding, another byte, or the end. Returns how many bytes it used; *got: how many it wrote, at
 * most three quarters of them. Any thread. */
size_t base64_decode_fours(const char *bytes, size_t size, char *out, size_t *got);

/* Any base64 in pieces: other bytes are passed over, and what follows padding begins anew, as where
 * somebody joined two texts of it. All zero at the beginning. */
struct base64_stream {
    unsigned bits, count; /* of a four that is not whole yet, and its letters */
};

/* Returns how many bytes it wrote: at most three quarters of `size`, and three more. */
size_t base64_stream_write(struct base64_stream *stream, const char *bytes, size_t size, char *out);
/* The end, where padding may lack: up to two bytes. The stream is as new then. */
size_t base64_stream_end(struct base64_stream *stream, char *out);

#endif
