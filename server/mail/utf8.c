#include "utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../base/swar.h"

/* Looks at the character that begins at bytes[0], which is not ASCII. Returns its size where it is
 * valid; else 0, with the size of the maximal subpart in *bad, and whether it only lacks bytes. */
static size_t character_size(const uint8_t *bytes, size_t size, size_t *bad, bool *unfinished)
{
    uint8_t lead = bytes[0], low = 0x80, high = 0xBF;
    size_t need;
    *bad = 1;
    *unfinished = false;
    if (lead >= 0xC2 && lead <= 0xDF)
        need = 2;
    else if (lead >= 0xE0 && lead <= 0xEF)
        need = 3;
    else if (lead >= 0xF0 && lead <= 0xF4)
        need = 4;
    else
        return 0;
    if (lead == 0xE0)
        low = 0xA0; /* shorter forms exist */
    else if (lead == 0xED)
        high = 0x9F; /* surrogates */
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F; /* past U+10FFFF */
    for (size_t i = 1; i < need; i++) {
        if (i == size) {
            *unfinished = true;
            return 0;
        }
        if (bytes[i] < low || bytes[i] > high)
            return 0;
        *bad = i + 1;
        low = 0x80;
        high = 0xBF;
    }
    return need;
}

/* How many bytes at the beginning are ASCII. */
static size_t ascii_size(const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    for (; size - at >= SWAR_SIZE; at += SWAR_SIZE) {
        uint64_t high = swar_load(bytes + at) & SWAR_TOPS;
        if (high)
            return at + swar_first(high);
    }
    while (at < size && bytes[at] < 0x80)
        at++;
    return at;
}

size_t utf8_valid_size(const char *text, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)text;
    for (size_t at = 0;;) {
        at += ascii_size(bytes + at, size - at);
        while (at < size && bytes[at] >= 0x80) {
            size_t bad;
            bool unfinished;
            size_t step = character_size(bytes + at, size - at, &bad, &unfinished);
            if (step == 0)
                return at;
            at += step;
        }
        if (at == size)
            return at;
    }
}

/* Finishes the pending character with the first of these bytes; how many it took is in *used. */
static int finish_pending(struct utf8_stream *stream, const char *bytes, size_t size, size_t *used,
                          bytes_sink sink, void *context)
{
    *used = 0;
    for (;;) {
        size_t bad;
        bool unfinished;
        size_t step = character_size((const uint8_t *)stream->pending, stream->pending_size, &bad,
                                     &unfinished);
        if (step > 0) {
            stream->pending_size = 0;
            return sink(context, stream->pending, step);
        }
        if (!unfinished) {
            /* Only the byte that came last can be what does not fit: it starts anew. */
            stream->pending_size = 0;
            --*used;
            return sink(context, UTF8_REPLACEMENT, 3);
        }
        if (*used == size)
            return 0;
        stream->pending[stream->pending_size++] = bytes[(*used)++];
    }
}

size_t utf8_whole_size(const char *bytes, size_t size)
{
    size_t start = size;
    while (start > 0 && size - start < 4 && ((uint8_t)bytes[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return size;
    uint8_t lead = (uint8_t)bytes[start - 1];
    size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return start - 1 + length > size ? start - 1 : size;
}

int utf8_stream_write(struct utf8_stream *stream, const char *bytes, size_t size, bytes_sink sink,
                      void *context)
{
    size_t at = 0;
    int status = 0;
    if (stream->pending_size > 0)
        status = finish_pending(stream, bytes, size, &at, sink, context);
    while (status == 0 && at < size) {
        size_t valid = utf8_valid_size(bytes + at, size - at);
        if (valid > 0)
            status = sink(context, bytes + at, valid);
        at += valid;
        if (status < 0 || at == size)
            break;
        size_t bad;
        bool unfinished;
        character_size((const uint8_t *)bytes + at, size - at, &bad, &unfinished);
        if (unfinished) {
            stream->pending_size = size - at;
            memcpy(stream->pending, bytes + at, size - at);
            break;
        }
        status = sink(context, UTF8_REPLACEMENT, 3);
        at += bad;
    }
    return status;
}

int utf8_stream_end(struct utf8_stream *stream, bytes_sink sink, void *context)
{
    if (stream->pending_size == 0)
        return 0;
    stream->pending_size = 0;
    return sink(context, UTF8_REPLACEMENT, 3);
}
