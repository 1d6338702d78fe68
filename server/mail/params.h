/*
 * params.h - Content-Type and Content-Disposition: the value and its parameters (RFC 2045, 2183,
 * 2231).
 *
 * What is read beyond the RFCs, since mail has it: file names with spaces and no quotes, encoded
 * words as a value, raw 8-bit names, backslashes of Windows paths, missing semicolons, missing
 * charsets.
 */
#ifndef MXHOOK_MAIL_PARAMS_H
#define MXHOOK_MAIL_PARAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/arena.h"
#include "buffer.h"

/* Raw field values go in, folded or not. */

/* "text/plain", lower case, into `type`; false where it is not of that form, or does not fit. */
bool params_type(const char *value, size_t size, char *type, size_t capacity);

/* The first word, lower case: "attachment"; "" where there is none. */
void params_token(const char *value, size_t size, char *token, size_t capacity);

/* A parameter's bytes, not converted, appended to `to`: for boundary and charset. 0, -ENOENT,
 * -ENOMEM. */
int params_bytes(const char *value, size_t size, const char *name, struct buffer *to);

/* A parameter as text: decoded by RFC 2231, or as encoded words, into valid UTF-8. The same
 * returns. */
int params_text(const char *value, size_t size, const char *name, struct buffer *to);

#endif
