#include "original.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "fields.h"
#include "lines.h"
#include "provenance.h"

#define OUT_SIZE  (64u * 1024)
#define FIELD_MAX (64u * 1024) /* bytes of an Authentication-Results; no honest one is longer */

struct writer {
    struct spill *out;
    size_t used;
    bool after_cr; /* which is not written yet */
    bool changed;
    char bytes[OUT_SIZE];
};

/* ---- Line ends ---- */

static int flush(struct writer *w)
{
    int code = spill_write(w->out, w->bytes, w->used);
    w->used = 0;
    return code;
}

static int put(struct writer *w, const char *bytes, size_t size)
{
    int code = 0;
    if (w->used + size > sizeof w->bytes)
        code = flush(w);
    if (code == 0 && size > sizeof w->bytes)
        return spill_write(w->out, bytes, size);
    if (code == 0) {
        memcpy(w->bytes + w->used, bytes, size);
        w->used += size;
    }
    return code;
}

/* The CR that came last, once it is known what follows it. */
static int settle_cr(struct writer *w, char next)
{
    if (!w->after_cr || next == '\n')
        return 0;
    w->after_cr = false;
    w->changed = true;
    return put(w, " ", 1);
}

/* Bytes without LF. */
static int write_inside(struct writer *w, const char *bytes, size_t size)
{
    int code = 0;
    w->changed |= memchr(bytes, 0, size) != NULL;
    while (size > 0 && code == 0) {
        const char *cr = memchr(bytes, '\r', size);
        size_t before = cr ? (size_t)(cr - bytes) : size;
        code = settle_cr(w, *bytes);
        if (code == 0)
            code = put(w, bytes, before);
        w->after_cr = cr != NULL;
        bytes += before + (cr != NULL);
        size -= before + (cr != NULL);
    }
    return code;
}

static int write_bytes(struct writer *w, const char *bytes, size_t size)
{
    int code = 0;
    while (size > 0 && code == 0) {
        const char *newline = memchr(bytes, '\n', size);
        size_t before = newline ? (size_t)(newline - bytes) : size;
        code = write_inside(w, bytes, before);
        if (newline && code == 0) {
            w->changed |= !w->after_cr;
            w->after_cr = false;
            code = put(w, "\r\n", 2);
        }
        bytes += before + (newline != NULL);
        size -= before + (newline != NULL);
    }
    return code;
}

/* ---- The header ---- */

struct filter {
    struct writer *writer;
    const struct receiver *receiver;
    struct header_reader header;
    bool dropping; /* a field that is the scanner's */
    bool holding;  /* an Authentication-Results, until it is known whose */
    struct buffer field;
};

/* It is whole: is it ours to leave out? */
static int release_field(struct filter *f)
{
    struct field field;
    size_t at = 0;
    f->holding = false;
    bool whole =
        f->field.size <= FIELD_MAX && field_next(f->field.bytes, f->field.size, &at, &field);
    bool kept = whole && !provenance_claims(field.value, field.value_size, f->receiver->hostname);
    int code = kept ? write_bytes(f->writer, f->field.bytes, f->field.size) : 0;
    f->field.size = 0;
    return code;
}

static bool begins_results(const struct line *line)
{
    static const char name[] = "Authentication-Results";
    struct field field;
    size_t at = 0;
    return line->size > sizeof name - 1 && field_next(line->bytes, line->size, &at, &field) &&
           field_is(&field, name);
}

static bool begins_scanners(const struct line *line, const struct receiver *receiver)
{
    struct field field;
    size_t at = 0;
    return field_next(line->bytes, line->size, &at, &field) &&
           provenance_is_scanners(field.name, field.name_size, receiver);
}

/* A line, or a fragment of one. What is too long to be held is not held: it is left out then. */
static int filter_header_line(struct filter *f, const struct line *line)
{
    int code = 0;
    if (line->begins) {
        enum header_line kind =
            header_reader_next(&f->header, line->bytes, line->size, line->offset);
        if (f->holding && kind != HEADER_MORE)
            code = release_field(f);
        if (kind == HEADER_FIELD)
            f->holding = begins_results(line);
        if (kind != HEADER_MORE)
            f->dropping = kind == HEADER_FIELD && begins_scanners(line, f->receiver);
    }
    if (f->dropping)
        return code;
    if (code != 0 || !f->holding)
        return code ? code : write_bytes(f->writer, line->bytes, line->size);
    if (f->field.size > FIELD_MAX)
        return 0;
    return buffer_append(&f->field, line->bytes, line->size);
}

static int write_lines(struct filter *f, struct lines *lines)
{
    struct line line;
    int got, code = 0;
    while (code == 0 && (got = lines_next(lines, &line)) != 0) {
        if (got < 0)
            code = got;
        else if (!f->header.ended)
            code = filter_header_line(f, &line);
        else
            code = write_bytes(f->writer, line.bytes, line.size);
    }
    if (code == 0 && f->holding)
        code = release_field(f);
    if (code == 0)
        code = settle_cr(f->writer, 0);
    return code == 0 ? flush(f->writer) : code;
}

int original_write(const struct message *message, const struct receiver *receiver,
                   struct spill *out, bool *changed)
{
    struct writer *writer = malloc(sizeof *writer);
    struct filter filter = {.writer = writer, .receiver = receiver};
    struct lines lines;
    int code = writer ? lines_open(&lines, message->data) : -ENOMEM;
    header_reader_init(&filter.header, 0, true);
    if (code == 0) {
        writer->out = out;
        writer->used = 0;
        writer->after_cr = writer->changed = false;
        code = write_lines(&filter, &lines);
        *changed = writer->changed;
        lines_close(&lines);
    }
    buffer_free(&filter.field);
    free(writer);
    return code;
}

bool original_is_binary(const struct message *message)
{
    for (size_t i = 0; i < message->part_count; i++)
        if (message->parts[i].encoding == GMIME_CONTENT_ENCODING_BINARY)
            return true;
    return false;
}
