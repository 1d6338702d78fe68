/*
 * buffer.h - bytes that grow while a short text is put together.
 *
 * For what has a limit: header fields, answers of HTTP. Contents go through sinks in pieces.
 */
#ifndef MXHOOK_MAIL_BUFFER_H
#define MXHOOK_MAIL_BUFFER_H

#include <stddef.h>

struct buffer {
    char *bytes; /* all zero: empty */
    size_t size, capacity;
};

int buffer_append(struct buffer *buffer, const char *bytes, size_t size); /* 0 or -ENOMEM */
int buffer_append_byte(struct buffer *buffer, char byte);
void buffer_drop_nul(struct buffer *buffer);                   /* removes every NUL */
int buffer_sink(void *buffer, const char *bytes, size_t size); /* a bytes_sink */
void buffer_free(struct buffer *buffer); /* empties it; it can be used again */

#endif
