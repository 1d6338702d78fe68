#include "part_header.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <string.h>

#include "buffer.h"
#include "charset.h"
#include "fields.h"
#include "params.h"
#include "words.h"

#define CHARSET_MAX  64
#define BOUNDARY_MAX 998 /* bytes; RFC 2046 allows 70, a line 998 */

/* Has it anything but blanks, of any width? */
static bool has_letters(const struct buffer *text)
{
    static const char *const blanks[] = {" ",
                                         "\t",
                                         "\r",
                                         "\n",
                                         "\xC2\xA0",     /* no-break */
                                         "\xE3\x80\x80", /* ideographic */
                                         "\xE2\x80\x8B", /* of no width */
                                         "\xEF\xBB\xBF"};
    size_t at = 0, before;
    do {
        before = at;
        for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++) {
            size_t size = strlen(blanks[i]);
            if (text->size - at >= size && memcmp(text->bytes + at, blanks[i], size) == 0)
                at += size;
        }
    } while (at > before);
    return at < text->size;
}

/* A short text into the arena, cut at a character. NUL is left out, as it is a C string; one of
 * nothing but blanks is none. */
static int keep_text(struct arena *arena, struct buffer *text, const char **out)
{
    buffer_drop_nul(text);
    size_t size = text->size > 0 && has_letters(text) ? text->size : 0;
    if (size > PART_MAX_NAME)
        size = utf8_whole_size(text->bytes, PART_MAX_NAME);
    *out = NULL;
    if (size == 0)
        return 0;
    *out = arena_strndup(arena, text->bytes, size);
    return *out ? 0 : -ENOMEM;
}

static int read_name(struct arena *arena, const struct field *field, const char *parameter,
                     struct part_header *header)
{
    struct buffer text = {0};
    int status = params_text(field->value, field->value_size, parameter, &text);
    if (status == 0 && text.size > 0)
        status = keep_text(arena, &text, &header->part.name);
    buffer_free(&text);
    return status == -ENOENT ? 0 : status;
}

/* A charset's or a boundary's bytes; "" where there is none. */
static int read_bytes(struct arena *arena, const struct field *field, const char *parameter,
                      const char *stops, char **out, size_t *size)
{
    struct buffer bytes = {0};
    int status = params_bytes(field->value, field->value_size, parameter, &bytes);
    if (status == -ENOENT)
        status = 0;
    *size = bytes.size;
    if (status == 0)
        status = buffer_append_byte(&bytes, 0);
    if (status == 0) {
        size_t until = strcspn(bytes.bytes, stops);
        *size = until < *size ? until : *size;
        *out = arena_strndup(arena, bytes.bytes, *size);
        status = *out ? 0 : -ENOMEM;
    }
    buffer_free(&bytes);
    return status;
}

static int read_content_type(struct arena *arena, const struct field *field,
                             struct part_header *header)
{
    char *text;
    size_t size;
    int status = 0;
    if (!params_type(field->value, field->value_size, header->type, sizeof header->type))
        strcpy(header->type, "text/plain"); /* RFC 2045 section 5.2 */
    if (strncmp(header->type, "multipart/", 10) == 0) {
        status = read_bytes(arena, field, "boundary", "", &text, &size);
        while (status == 0 && size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
            size--;
        if (status == 0 && size > 0 && size <= BOUNDARY_MAX) {
            header->boundary = text;
            header->boundary_size = size;
        }
    } else if (strncmp(header->type, "text/", 5) == 0) {
        status = read_bytes(arena, field, "charset", " \t(;", &text, &size);
        if (status == 0 && size > 0 && size < CHARSET_MAX)
            header->part.charset = text;
    }
    return status;
}

static int read_content_id(struct arena *arena, const struct field *field,
                           struct part_header *header)
{
    struct buffer text = {0};
    const char *begin = field->value, *end = begin + field->value_size;
    const char *open = memchr(begin, '<', field->value_size);
    if (open) {
        const char *close = memchr(open, '>', (size_t)(end - open));
        begin = open + 1;
        end = close ? close : end;
    }
    int status = buffer_append(&text, begin, (size_t)(end - begin));
    struct buffer valid = {0};
    if (status == 0)
        status = charset_append(&valid, NULL, text.bytes, text.size);
    if (status == 0)
        status = keep_text(arena, &valid, &header->part.cid);
    buffer_free(&text);
    buffer_free(&valid);
    return status;
}

static void read_disposition(const struct field *field, struct part *part)
{
    char token[32];
    params_token(field->value, field->value_size, token, sizeof token);
    if (strcmp(token, "attachment") == 0)
        part->disposition = DISPOSITION_ATTACHMENT;
    else if (strcmp(token, "inline") == 0)
        part->disposition = DISPOSITION_INLINE;
}

static int read_encoding(const struct field *field, struct part *part)
{
    char token[32];
    struct buffer text = {0};
    int status = words_decode(&text, field->value, field->value_size); /* some encode it */
    if (status == 0 && text.size > 0) {
        params_token(text.bytes, text.size, token, sizeof token);
        part->encoding = g_mime_content_encoding_from_string(token);
    }
    buffer_free(&text);
    return status;
}

/* The four fields that matter of a part's header; of the others the first counts. */
int part_header_read(const char *block, size_t size, size_t which, struct arena *arena,
                     struct part_header *header)
{
    struct field field, type = {0}, disposition = {0}, id = {0}, encoding = {0};
    int status = 0;
    for (size_t at = 0; field_next(block, size, &at, &field);) {
        if (field.name_size < 10 || (field.name[0] | 0x20) != 'c')
            continue;
        if (field_is(&field, "Content-Type") && field.value_size > 0) {
            if (header->types++ == which)
                type = field;
        } else if (!disposition.name && field_is(&field, "Content-Disposition"))
            disposition = field;
        else if (!id.name && field_is(&field, "Content-ID"))
            id = field;
        else if (!encoding.name && field_is(&field, "Content-Transfer-Encoding"))
            encoding = field;
    }
    if (encoding.name)
        status = read_encoding(&encoding, &header->part);
    if (status == 0 && disposition.name) {
        read_disposition(&disposition, &header->part);
        status = read_name(arena, &disposition, "filename", header);
    }
    if (status == 0 && type.name)
        status = read_content_type(arena, &type, header);
    if (status == 0 && type.name && !header->part.name)
        status = read_name(arena, &type, "name", header);
    if (status == 0 && id.name)
        status = read_content_id(arena, &id, header);
    return status;
}

bool part_header_is_multipart(const struct part_header *header)
{
    return strncmp(header->type, "multipart/", 10) == 0;
}
