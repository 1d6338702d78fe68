#include "base64.h"

#include <stdbool.h>
#include <stdint.h>

#define NO 0x80 /* not one of the letters */

static const uint8_t values[256] = {
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, /**/
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, /**/
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 62, NO, NO, NO, 63, /* + / */
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, NO, NO, NO, NO, NO, NO, /* 0-9 */
    NO, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, /* A-Z */
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO, NO, NO, NO, NO, /**/
    NO, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, /* a-z */
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, NO, NO, NO, NO, NO, /**/
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, /* no ASCII */
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, /**/
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, /**/
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, /**/
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, /**/
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, /**/
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, /**/
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, /**/
};

static bool decode_four(const uint8_t *in, char *out)
{
    uint8_t a = values[in[0]], b = values[in[1]], c = values[in[2]], d = values[in[3]];
    if ((a | b | c | d) & NO)
        return false;
    out[0] = (char)(a << 2 | b >> 4);
    out[1] = (char)(b << 4 | c >> 2);
    out[2] = (char)(c << 6 | d);
    return true;
}

size_t base64_decode_fours(const char *bytes, size_t size, char *out, size_t *got)
{
    const uint8_t *in = (const uint8_t *)bytes;
    size_t used = 0;
    *got = 0;
    for (;;) {
        for (; size - used >= 4 && decode_four(in + used, out + *got); used += 4)
            *got += 3;
        size_t line_end = used;
        while (line_end < size && (in[line_end] == '\r' || in[line_end] == '\n'))
            line_end++;
        if (line_end == used)
            return used;
        used = line_end;
    }
}

size_t base64_stream_end(struct base64_stream *stream, char *out)
{
    size_t got = stream->count > 1 ? stream->count - 1 : 0;
    unsigned bits = stream->bits << 6 * (4 - stream->count);
    if (got > 0)
        out[0] = (char)(bits >> 16);
    if (got > 1)
        out[1] = (char)(bits >> 8);
    *stream = (struct base64_stream){0};
    return got;
}

static size_t add_letter(struct base64_stream *stream, uint8_t value, char *out)
{
    stream->bits = stream->bits << 6 | value;
    if (++stream->count < 4)
        return 0;
    out[0] = (char)(stream->bits >> 16);
    out[1] = (char)(stream->bits >> 8);
    out[2] = (char)stream->bits;
    *stream = (struct base64_stream){0};
    return 3;
}

size_t base64_stream_write(struct base64_stream *stream, const char *bytes, size_t size, char *out)
{
    size_t total = 0;
    for (size_t at = 0; at < size;) {
        size_t got = 0;
        if (stream->count == 0) {
            at += base64_decode_fours(bytes + at, size - at, out + total, &got);
            total += got;
            if (at == size)
                break;
        }
        uint8_t byte = (uint8_t)bytes[at++];
        if (byte == '=')
            total += base64_stream_end(stream, out + total);
        else if (!(values[byte] & NO))
            total += add_letter(stream, values[byte], out + total);
    }
    return total;
}
