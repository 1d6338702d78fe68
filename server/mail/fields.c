#include "fields.h"

#include <string.h>
#include <strings.h>

#include "../base/ascii.h"

/* --- Lines --- */

enum line_kind { LINE_EMPTY, LINE_FIELD, LINE_CONTINUATION, LINE_STRAY };

/* How many blanks are at `at`. A CR that ends no line is one: it leaves here as a space
 * (original.h), and must not make a field then that nobody saw before. */
static size_t skip_blanks(const char *line, size_t size, size_t at)
{
    while (at < size && (line[at] == ' ' || line[at] == '\t' ||
                         (line[at] == '\r' && at + 1 < size && line[at + 1] != '\n')))
        at++;
    return at;
}

/* The size of a field's name (any byte but controls, space and colon), and where its colon is; 0:
 * no field. Spaces before the colon are obsolete syntax (RFC 5322 section 4.5). */
static size_t name_size(const char *line, size_t size, size_t *colon)
{
    size_t name = 0;
    if (size > FIELD_MAX_NAME + 1)
        size = FIELD_MAX_NAME + 1;
    while (name < size && (unsigned char)line[name] > ' ' && line[name] != ':' &&
           line[name] != 0x7f)
        name++;
    *colon = skip_blanks(line, size, name);
    return *colon < size && line[*colon] == ':' ? name : 0;
}

static bool is_empty_line(const char *line, size_t size)
{
    return size == 0 || line[0] == '\n' || (line[0] == '\r' && (size == 1 || line[1] == '\n'));
}

static bool is_continuation(const char *line, size_t size)
{
    return !is_empty_line(line, size) && skip_blanks(line, size, 0) > 0;
}

static enum line_kind kind_of(const char *line, size_t size)
{
    size_t colon;
    if (is_empty_line(line, size))
        return LINE_EMPTY;
    if (is_continuation(line, size))
        return LINE_CONTINUATION;
    return name_size(line, size, &colon) > 0 ? LINE_FIELD : LINE_STRAY;
}

static bool is_mbox_line(const char *line, size_t size)
{
    size_t marks = 0;
    while (marks < size && line[marks] == '>')
        marks++;
    return size - marks >= 5 && memcmp(line + marks, "From ", 5) == 0;
}

/* --- A block --- */

/* Behind stray lines not all that has a colon is a field: text has colons too. */
static bool is_plain_name(const char *line, size_t size)
{
    size_t colon, name = name_size(line, size, &colon);
    for (size_t i = 0; i < name; i++) {
        char c = line[i] | 0x20;
        bool letter = c >= 'a' && c <= 'z';
        if (!letter && (i == 0 || !((line[i] >= '0' && line[i] <= '9') || strchr("-_.", line[i]))))
            return false;
    }
    return size - colon < 3 || memcmp(line + colon + 1, "//", 2) != 0; /* a URL */
}

static bool is_named(const char *line, size_t size, const char *name)
{
    size_t colon, wanted = strlen(name);
    return name_size(line, size, &colon) == wanted && strncasecmp(line, name, wanted) == 0;
}

/* Where stray lines come before any field, only these show that it is a header after all. */
static bool is_known_field(const char *line, size_t size, bool message)
{
    static const char *const names[] = {"Received",
                                        "Return-Path",
                                        "Delivered-To",
                                        "From",
                                        "Sender",
                                        "Reply-To",
                                        "To",
                                        "Cc",
                                        "Subject",
                                        "Date",
                                        "Message-ID",
                                        "MIME-Version",
                                        "In-Reply-To",
                                        "References",
                                        "DKIM-Signature",
                                        "Authentication-Results"};
    if (size > 8 && strncasecmp(line, "Content-", 8) == 0)
        return true;
    for (size_t i = 0; message && i < sizeof names / sizeof *names; i++)
        if (is_named(line, size, names[i]))
            return true;
    return false;
}

void header_reader_init(struct header_reader *reader, uint64_t offset, bool message)
{
    *reader = (struct header_reader){.message = message, .begin = offset};
}

/* The block ends at `end`, and the body begins at `body`. */
static void end_block(struct header_reader *reader, uint64_t end, uint64_t body)
{
    reader->ended = true;
    reader->end = end;
    reader->body = body;
    if (!reader->strays) {
        reader->strict_end = end;
        reader->strict_body = body;
    }
}

static enum header_line stray_line(struct header_reader *reader, uint64_t offset)
{
    if (!reader->in_stray) {
        reader->in_stray = true;
        reader->stray = offset;
    } else if (offset - reader->stray > HEADER_MAX_STRAY) {
        end_block(reader, reader->stray, reader->stray);
        return HEADER_END;
    }
    return HEADER_STRAY;
}

static enum header_line field_line(struct header_reader *reader, const char *line, size_t size,
                                   uint64_t offset)
{
    if (reader->in_stray) {
        if (!is_plain_name(line, size) ||
            (reader->fields == 0 && !is_known_field(line, size, reader->message)))
            return stray_line(reader, offset);
        if (!reader->strays)
            reader->strict_end = reader->strict_body = reader->stray;
        reader->strays = true;
        reader->in_stray = false;
    }
    if (reader->fields++ == 0)
        reader->begin = offset;
    return HEADER_FIELD;
}

/* The first line: that of an mbox, or one that lacks what it goes on with. */
static enum header_line first_line(struct header_reader *reader, const char *line, size_t size,
                                   uint64_t offset)
{
    size_t blanks = skip_blanks(line, size, 0);
    reader->begun = true;
    if (reader->message && is_mbox_line(line, size)) {
        reader->mbox = true;
        return HEADER_STRAY;
    }
    if (blanks == 0)
        return header_reader_next(reader, line, size, offset);
    if (kind_of(line + blanks, size - blanks) != LINE_FIELD)
        return HEADER_STRAY;
    reader->fields = 1;
    return HEADER_FIELD;
}

enum header_line header_reader_next(struct header_reader *reader, const char *line, size_t size,
                                    uint64_t offset)
{
    if (!reader->begun)
        return first_line(reader, line, size, offset);
    switch (kind_of(line, size)) {
    case LINE_FIELD: return field_line(reader, line, size, offset);
    case LINE_STRAY: return stray_line(reader, offset);
    case LINE_CONTINUATION:
        if (reader->in_stray)
            return stray_line(reader, offset);
        return reader->fields > 0 ? HEADER_MORE : HEADER_STRAY;
    case LINE_EMPTY: break;
    }
    if (reader->in_stray)
        end_block(reader, reader->stray, reader->stray);
    else
        end_block(reader, offset, offset + (size > 1 && line[0] == '\r' ? 2 : 1));
    return HEADER_END;
}

void header_reader_finish(struct header_reader *reader, uint64_t offset)
{
    if (!reader->ended)
        end_block(reader, reader->in_stray ? reader->stray : offset,
                  reader->in_stray ? reader->stray : offset);
}

bool header_reader_is_too_large(const struct header_reader *reader)
{
    return reader->message &&
           (reader->end > HEADER_MAX_BYTES || reader->fields > HEADER_MAX_FIELDS);
}

/* --- Fields --- */

static size_t line_end(const char *block, size_t size, size_t at)
{
    const char *newline = memchr(block + at, '\n', size - at);
    return newline ? (size_t)(newline - block) + 1 : size;
}

bool field_next(const char *block, size_t size, size_t *at, struct field *field)
{
    size_t colon;
    bool stray = false;
    if (*at == 0) /* a first line that goes on with nothing */
        *at = skip_blanks(block, size, 0);
    for (; *at < size; *at = line_end(block, size, *at)) {
        enum line_kind kind = kind_of(block + *at, size - *at);
        if (kind == LINE_FIELD && (!stray || is_plain_name(block + *at, size - *at)))
            break;
        stray = stray || kind == LINE_STRAY;
    }
    if (*at >= size)
        return false;
    field->name = block + *at;
    field->name_size = name_size(field->name, size - *at, &colon);
    size_t begin = *at + colon + 1, end = line_end(block, size, *at);
    while (end < size && is_continuation(block + end, size - end))
        end = line_end(block, size, end);
    *at = end;
    while (begin < end && is_space(block[begin]))
        begin++;
    while (end > begin && is_space(block[end - 1]))
        end--;
    field->value = block + begin;
    field->value_size = end - begin;
    return true;
}

bool field_is(const struct field *field, const char *name)
{
    return strlen(name) == field->name_size &&
           strncasecmp(field->name, name, field->name_size) == 0;
}
