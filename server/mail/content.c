/* A part's content: transfer encoding removed, and for text, in UTF-8. In pieces throughout. */
#include <errno.h>
#include <gmime/gmime.h>
#include <string.h>

#include "../base/ascii.h"
#include "charset.h"
#include "message.h"
#include "transfer.h"

#define READ_SIZE (6u * 1024u) /* encoded bytes at once */

/* --- Transfer encoding --- */

struct decoding {
    struct transfer transfer;
    bytes_sink sink;
    void *context;
};

static int decode(void *context, const char *bytes, size_t size)
{
    struct decoding *decoding = context;
    char out[TRANSFER_ROOM(READ_SIZE)];
    size_t got = transfer_write(&decoding->transfer, bytes, size, out);
    return got > 0 ? decoding->sink(decoding->context, out, got) : 0;
}

static int decode_end(struct decoding *decoding)
{
    char out[TRANSFER_ROOM(0)];
    size_t got = transfer_end(&decoding->transfer, out);
    return got > 0 ? decoding->sink(decoding->context, out, got) : 0;
}

/* Gives the encoded bytes. */
static int read_raw(const struct message *message, const struct part *part, bytes_sink sink,
                    void *context)
{
    const char *memory = spill_memory(message->data);
    char in[READ_SIZE];
    int status = 0;
    for (uint64_t at = part->start; at < part->end && status == 0;) {
        size_t take = part->end - at < sizeof in ? (size_t)(part->end - at) : sizeof in;
        const char *bytes = in;
        if (memory) {
            bytes = memory + at;
        } else {
            ssize_t got = spill_read(message->data, at, in, take);
            if (got <= 0)
                return got < 0 ? (int)got : -EIO;
            take = (size_t)got;
        }
        status = sink(context, bytes, take);
        at += take;
    }
    return status;
}

static int look_for_begin(void *search, const char *bytes, size_t size)
{
    uu_search(search, bytes, size);
    return 0;
}

/* Uuencode says where it begins, mostly: that is looked for first. */
static int choose_transfer(const struct message *message, const struct part *part,
                           struct transfer *transfer)
{
    struct uu_search search = {0};
    int status = 0;
    if (part->encoding == GMIME_CONTENT_ENCODING_UUENCODE)
        status = read_raw(message, part, look_for_begin, &search);
    transfer_init(transfer, part->encoding, uu_found(&search));
    return status;
}

int part_read_content(const struct message *message, const struct part *part, bytes_sink sink,
                      void *context)
{
    struct decoding decoding = {.sink = sink, .context = context};
    int status = choose_transfer(message, part, &decoding.transfer);
    if (status == 0 && decoding.transfer.kind == TRANSFER_PLAIN)
        return read_raw(message, part, sink, context);
    if (status == 0)
        status = read_raw(message, part, decode, &decoding);
    return status < 0 ? status : decode_end(&decoding);
}

/* --- Text --- */

/* CRLF becomes LF; any other CR stays. */
struct newlines {
    bytes_sink sink;
    void *context;
    bool cr; /* one is held back until it is known what follows */
};

static int newlines_write(void *context, const char *bytes, size_t size)
{
    struct newlines *newlines = context;
    int status = 0;
    size_t at = 0;
    if (newlines->cr && size > 0) {
        newlines->cr = false;
        if (bytes[0] != '\n')
            status = newlines->sink(newlines->context, "\r", 1);
    }
    while (at < size && status == 0) {
        const char *cr = memchr(bytes + at, '\r', size - at);
        size_t stop = cr ? (size_t)(cr - bytes) : size;
        size_t next = cr ? stop + 1 : size;
        newlines->cr = cr && next == size;
        if (cr && next < size && bytes[next] != '\n')
            stop = next; /* one that stays */
        if (stop > at)
            status = newlines->sink(newlines->context, bytes + at, stop - at);
        at = next;
    }
    return status;
}

static int newlines_end(struct newlines *newlines)
{
    bool cr = newlines->cr;
    newlines->cr = false;
    return cr ? newlines->sink(newlines->context, "\r", 1) : 0;
}

struct conversion {
    const struct message *message;
    const struct part *part;
    struct charset_converter charset;
    bool undecided; /* nothing is declared, and it was ASCII so far */
    struct newlines newlines;
};

static int look(void *evidence, const char *bytes, size_t size)
{
    struct charset_evidence *e = evidence;
    charset_look(e, bytes, size);
    return e->multibyte ? -ECANCELED : 0;
}

/* Looks at the whole part, so that it does not depend on where the first pieces are cut. */
static int decide(struct conversion *conversion)
{
    struct charset_evidence evidence = {0};
    int status = part_read_content(conversion->message, conversion->part, look, &evidence);
    if (status < 0 && status != -ECANCELED)
        return status;
    conversion->undecided = false;
    return charset_open(&conversion->charset, charset_of_evidence(&evidence));
}

/* How many of these bytes are the same in every charset that it can be. */
static size_t plain_size(const char *bytes, size_t size)
{
    size_t plain = utf8_valid_size(bytes, size);
    const char *escape = memchr(bytes, 0x1B, plain);
    plain = escape ? (size_t)(escape - bytes) : plain;
    return ascii_size(bytes, plain);
}

static int convert(void *context, const char *bytes, size_t size)
{
    struct conversion *conversion = context;
    int status = 0;
    if (conversion->undecided) {
        size_t plain = plain_size(bytes, size);
        if (plain > 0)
            status = newlines_write(&conversion->newlines, bytes, plain);
        if (status == 0 && plain < size)
            status = decide(conversion);
        bytes += plain;
        size -= plain;
    }
    if (status < 0 || size == 0)
        return status;
    return charset_write(&conversion->charset, bytes, size, newlines_write, &conversion->newlines);
}

static int read_text(const struct message *message, const struct part *part, bytes_sink sink,
                     void *context)
{
    struct conversion conversion = {.message = message,
                                    .part = part,
                                    .undecided = !charset_is_known(part->charset),
                                    .newlines = {sink, context, false}};
    int status = charset_open(&conversion.charset, part->charset);
    if (status < 0)
        return status;
    status = part_read_content(message, part, convert, &conversion);
    if (status == 0)
        status = charset_end(&conversion.charset, newlines_write, &conversion.newlines);
    if (status == 0)
        status = newlines_end(&conversion.newlines);
    charset_close(&conversion.charset);
    return status;
}

bool message_has_role(const struct message *message, enum part_role role)
{
    for (size_t i = 0; i < message->part_count; i++)
        if (message->parts[i].role == role)
            return true;
    return false;
}

int message_read_text(const struct message *message, enum part_role role, bytes_sink sink,
                      void *context)
{
    int status = 0;
    bool first = true;
    for (size_t i = 0; i < message->part_count && status == 0; i++) {
        if (message->parts[i].role != role)
            continue;
        if (!first)
            status = sink(context, "\n", 1);
        if (status == 0)
            status = read_text(message, &message->parts[i], sink, context);
        first = false;
    }
    return status;
}
