#include "buffer.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 256

int buffer_append(struct buffer *buffer, const char *bytes, size_t size)
{
    if (size > buffer->capacity - buffer->size) {
        size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;
        if (size > SIZE_MAX / 4 - buffer->size)
            return -ENOMEM;
        while (capacity < buffer->size + size)
            capacity *= 2;
        char *grown = realloc(buffer->bytes, capacity);
        if (!grown)
            return -ENOMEM;
        buffer->bytes = grown;
        buffer->capacity = capacity;
    }
    if (size > 0)
        memcpy(buffer->bytes + buffer->size, bytes, size);
    buffer->size += size;
    return 0;
}

int buffer_append_byte(struct buffer *buffer, char byte)
{
    if (buffer->size == buffer->capacity)
        return buffer_append(buffer, &byte, 1);
    buffer->bytes[buffer->size++] = byte;
    return 0;
}

void buffer_drop_nul(struct buffer *buffer)
{
    char *nul = buffer->size ? memchr(buffer->bytes, 0, buffer->size) : NULL;
    if (!nul)
        return;
    size_t kept = (size_t)(nul - buffer->bytes);
    for (size_t i = kept; i < buffer->size; i++)
        if (buffer->bytes[i])
            buffer->bytes[kept++] = buffer->bytes[i];
    buffer->size = kept;
}

int buffer_sink(void *buffer, const char *bytes, size_t size)
{
    return buffer_append(buffer, bytes, size);
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}
