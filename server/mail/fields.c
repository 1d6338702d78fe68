#include "fields.h"

#include <string.h>
#include <strings.h>

#include "../base/ascii.h"

/* The size of a field's name (any byte but controls, space and colon), and where its colon is; 0:
 * no field. Spaces before the colon are obsolete syntax (RFC 5322 section 4.5). */
static size_t name_size(const char *line, size_t size, size_t *colon)
{
    size_t name = 0;
    while (name < size && (unsigned char)line[name] > ' ' && line[name] != ':' &&
           line[name] != 0x7f)
        name++;
    *colon = name;
    while (*colon < size && (line[*colon] == ' ' || line[*colon] == '\t'))
        ++*colon;
    return *colon < size && line[*colon] == ':' ? name : 0;
}

enum field_line field_line_kind(const char *line, size_t size)
{
    size_t colon;
    if (size == 0 || line[0] == '\n' || (line[0] == '\r' && (size == 1 || line[1] == '\n')))
        return LINE_EMPTY;
    if (line[0] == ' ' || line[0] == '\t')
        return LINE_CONTINUATION;
    return name_size(line, size, &colon) > 0 ? LINE_FIELD : LINE_OTHER;
}

static size_t line_end(const char *block, size_t size, size_t at)
{
    const char *newline = memchr(block + at, '\n', size - at);
    return newline ? (size_t)(newline - block) + 1 : size;
}

bool field_next(const char *block, size_t size, size_t *at, struct field *field)
{
    size_t colon;
    /* Lines that belong to no field: an mbox "From ". A continuation of nothing may be a field. */
    while (*at < size && field_line_kind(block + *at, size - *at) != LINE_FIELD) {
        if (block[*at] == ' ' || block[*at] == '\t')
            ++*at;
        else
            *at = line_end(block, size, *at);
    }
    if (*at >= size)
        return false;
    field->name = block + *at;
    field->name_size = name_size(field->name, size - *at, &colon);
    size_t begin = *at + colon + 1, end = line_end(block, size, *at);
    while (end < size && field_line_kind(block + end, size - end) == LINE_CONTINUATION)
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
