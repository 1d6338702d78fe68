/*
 * base64.h - the quick part of decoding base64 (RFC 4648): lines of whole fours, as attachments
 * have.
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

#endif
