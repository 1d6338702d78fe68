#include "charset.h"

#include <errno.h>
#include <string.h>

#include "charset_decode.h"

#define WORK_SIZE 2048
#define NONE      ((iconv_t) - 1)

static bool is_utf8(const char *name)
{
    static const char *const names[] = {"utf8",           "unicode11utf8", "unicode20utf8",
                                        "xunicode20utf8", "utf8mb4",       "cp65001",
                                        "xutf8",          "utf8n"};
    char folded[32];
    size_t used = 0;
    for (; *name && used < sizeof folded - 1; name++) {
        char c = *name >= 'A' && *name <= 'Z' ? *name + 32 : *name;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            folded[used++] = c;
    }
    folded[used] = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(folded, names[i]) == 0)
            return true;
    return false;
}

bool charset_is_known(const char *name)
{
    return name && (is_utf8(name) || charset_find(name));
}

int charset_open(struct charset_converter *converter, const char *name)
{
    *converter = (struct charset_converter){.iconv = NONE, .charset = charset_find(name)};
    const struct charset *charset = converter->charset;
    if (!charset)
        return 0;
    if (charset->kind == CHARSET_UTF16)
        converter->big_endian = *charset->iconv == 'B';
    if (charset->kind != CHARSET_ICONV)
        return charset_prepare(charset);
    converter->iconv = charset_take_iconv(charset);
    if (converter->iconv == NONE) {
        converter->charset = NULL;
        return errno == ENOMEM ? -ENOMEM : 0;
    }
    return 0;
}

void charset_close(struct charset_converter *converter)
{
    if (converter->iconv != NONE)
        charset_give_iconv(converter->charset, converter->iconv);
    converter->iconv = NONE;
}

/* --- By tables --- */

struct output {
    char bytes[WORK_SIZE];
    size_t size;
    bytes_sink sink;
    void *context;
};

static int flush(struct output *out)
{
    int status = out->size ? out->sink(out->context, out->bytes, out->size) : 0;
    out->size = 0;
    return status;
}

static int put(struct output *out, uint32_t code)
{
    char *to = out->bytes + out->size;
    if (code < 0x80) {
        to[0] = (char)code;
        out->size += 1;
    } else if (code < 0x800) {
        to[0] = (char)(0xC0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3F));
        out->size += 2;
    } else if (code < 0x10000) {
        to[0] = (char)(0xE0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3F));
        to[2] = (char)(0x80 | (code & 0x3F));
        out->size += 3;
    } else {
        to[0] = (char)(0xF0 | code >> 18);
        to[1] = (char)(0x80 | (code >> 12 & 0x3F));
        to[2] = (char)(0x80 | (code >> 6 & 0x3F));
        to[3] = (char)(0x80 | (code & 0x3F));
        out->size += 4;
    }
    return out->size > WORK_SIZE - 8 ? flush(out) : 0;
}

/* Decodes as far as it goes; what is unfinished is left, and how much that is returned in *left. */
static int decode(struct charset_converter *converter, const char *bytes, size_t size, bool last,
                  struct output *out, size_t *left)
{
    const uint8_t *at = (const uint8_t *)bytes, *end = at + size;
    /* A unit of UTF-16, or a byte, that is zero is a character; an escape sequence is longer. */
    size_t nul = converter->charset->kind == CHARSET_UTF16 ? 2 : 1;
    int status = 0;
    while (at < end && status == 0) {
        bool mark = converter->charset->kind == CHARSET_UTF16 && !converter->begun;
        struct decoded one = charset_decode(converter, at, (size_t)(end - at), last);
        if (one.used == 0)
            break;
        bool zero = at[0] == 0 && (nul == 1 || at[1] == 0);
        if (one.code[0] || (one.used == nul && zero && !(mark && !converter->begun)))
            status = put(out, one.code[0]);
        if (one.code[1] && status == 0)
            status = put(out, one.code[1]);
        at += one.used;
    }
    *left = (size_t)(end - at);
    return status;
}

static int write_decoded(struct charset_converter *converter, const char *bytes, size_t size,
                         bool last, bytes_sink sink, void *context)
{
    struct output out = {.size = 0, .sink = sink, .context = context};
    size_t left = 0;
    int status = 0;
    while (status == 0 && converter->pending_size > 0 && (size > 0 || last)) {
        /* Joined with as many bytes as a character can have. */
        char joined[2 * DECODE_MAX];
        size_t had = converter->pending_size, take = size < DECODE_MAX ? size : DECODE_MAX;
        memcpy(joined, converter->pending, had);
        memcpy(joined + had, bytes, take);
        struct decoded one =
            charset_decode(converter, (uint8_t *)joined, had + take, last && take == size);
        if (one.used == 0) { /* all that there is */
            memcpy(converter->pending, joined, had + take);
            converter->pending_size = had + take;
            return flush(&out);
        }
        bool zero = one.used == 2 && joined[0] == 0 && joined[1] == 0 && !one.code[0];
        if (one.code[0] || zero)
            status = put(&out, one.code[0]);
        if (one.code[1] && status == 0)
            status = put(&out, one.code[1]);
        if (one.used < had) {
            memmove(converter->pending, converter->pending + one.used, had - one.used);
            converter->pending_size = had - one.used;
        } else {
            bytes += one.used - had;
            size -= one.used - had;
            converter->pending_size = 0;
        }
    }
    if (status == 0 && size > 0)
        status = decode(converter, bytes, size, last, &out, &left);
    if (status == 0 && left > 0) {
        memcpy(converter->pending, bytes + size - left, left);
        converter->pending_size = left;
    }
    return status == 0 ? flush(&out) : status;
}

/* --- By iconv --- */

static bool is_seven_bits(const struct charset *charset)
{
    return strncmp(charset->iconv, "ISO-2022", 8) == 0;
}

/* Bytes that iconv does not take: how many are passed over; 0: it depends on those that follow. */
static size_t skip_bad(struct charset_converter *converter, const char *bytes, size_t size,
                       bool last, bytes_sink sink, void *context, int *status)
{
    size_t unit = strncmp(converter->charset->iconv, "UTF-32", 6) == 0 ? 4 : 1;
    const uint8_t *at = (const uint8_t *)bytes;
    if (is_seven_bits(converter->charset) && *at >= 0x80) {
        bool more;
        size_t used = charset_utf8_at(at, size, &more);
        if (used == 0 && more && !last)
            return 0;
        if (used > 0) {
            *status = utf8_stream_write(&converter->utf8, bytes, used, sink, context);
            return used;
        }
    }
    *status = utf8_stream_write(&converter->utf8, UTF8_REPLACEMENT, 3, sink, context);
    return unit < size ? unit : size;
}

/* Converts what stands in `in`; leaves what is unfinished at its end, and says how much that is. */
static int convert(struct charset_converter *converter, char *in, size_t in_size, size_t *left,
                   bytes_sink sink, void *context)
{
    char out[WORK_SIZE];
    int status = 0;
    while (status == 0 && in_size > 0) {
        char *to = out;
        size_t room = sizeof out;
        size_t done = iconv(converter->iconv, &in, &in_size, &to, &room);
        int problem = done == (size_t)-1 ? errno : 0;
        status = utf8_stream_write(&converter->utf8, out, (size_t)(to - out), sink, context);
        if (problem == EINVAL && in_size <= sizeof converter->pending)
            break;
        if (status == 0 && problem != 0 && problem != E2BIG) {
            size_t skip = skip_bad(converter, in, in_size, false, sink, context, &status);
            if (skip == 0)
                break;
            in += skip;
            in_size -= skip;
        }
    }
    *left = in_size;
    return status;
}

static int write_converted(struct charset_converter *converter, const char *bytes, size_t size,
                           bytes_sink sink, void *context)
{
    char in[WORK_SIZE];
    int status = 0;
    while (status == 0 && size > 0) {
        size_t had = converter->pending_size, left;
        size_t take = size < sizeof in - had ? size : sizeof in - had;
        memcpy(in, converter->pending, had);
        memcpy(in + had, bytes, take);
        bytes += take;
        size -= take;
        status = convert(converter, in, had + take, &left, sink, context);
        if (status == 0) {
            memcpy(converter->pending, in + had + take - left, left);
            converter->pending_size = left;
        }
    }
    return status;
}

static int end_converted(struct charset_converter *converter, bytes_sink sink, void *context)
{
    /* Some charsets hold a character back until they know that nothing combines with it. */
    char out[64], *to = out;
    size_t room = sizeof out;
    iconv(converter->iconv, NULL, NULL, &to, &room);
    int status = utf8_stream_write(&converter->utf8, out, (size_t)(to - out), sink, context);
    if (status == 0)
        status = utf8_stream_end(&converter->utf8, sink, context);
    if (status == 0 && converter->pending_size > 0)
        status = sink(context, UTF8_REPLACEMENT, 3);
    return status;
}

/* --- All --- */

int charset_write(struct charset_converter *converter, const char *bytes, size_t size,
                  bytes_sink sink, void *context)
{
    if (!converter->charset)
        return utf8_stream_write(&converter->utf8, bytes, size, sink, context);
    if (converter->iconv != NONE)
        return write_converted(converter, bytes, size, sink, context);
    return write_decoded(converter, bytes, size, false, sink, context);
}

int charset_end(struct charset_converter *converter, bytes_sink sink, void *context)
{
    int status;
    if (!converter->charset)
        status = utf8_stream_end(&converter->utf8, sink, context);
    else if (converter->iconv != NONE)
        status = end_converted(converter, sink, context);
    else
        status = write_decoded(converter, "", 0, true, sink, context);
    converter->pending_size = 0;
    return status;
}

int charset_append(struct buffer *to, const char *name, const char *bytes, size_t size)
{
    struct charset_converter converter;
    if (size == 0)
        return 0;
    if (!charset_is_known(name) && !(name = charset_guess(bytes, size)))
        return buffer_append(to, bytes, size);
    int status = charset_open(&converter, name);
    if (status < 0)
        return status;
    status = charset_write(&converter, bytes, size, buffer_sink, to);
    if (status == 0)
        status = charset_end(&converter, buffer_sink, to);
    charset_close(&converter);
    return status;
}
