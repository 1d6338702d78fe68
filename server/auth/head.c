#include "head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../mail/fields.h"

/* What is read of a message at most: a header that reaches further is over its limit, whatever it
 * ends with. */
#define READ_MAX (HEADER_MAX_BYTES + HEADER_MAX_STRAY + 2 * FIELD_MAX_NAME + 4)

/* Finds where the block begins and ends, and what comes after it starts. */
static void find_block(const char *bytes, size_t size, struct header_reader *reader)
{
    enum header_line kind = HEADER_STRAY;
    header_reader_init(reader, 0, true);
    for (size_t at = 0; at < size && kind != HEADER_END;) {
        const char *newline = memchr(bytes + at, '\n', size - at);
        kind = header_reader_next(reader, bytes + at, size - at, at);
        at = newline ? (size_t)(newline - bytes) + 1 : size;
    }
    header_reader_finish(reader, size);
}

static void set_field(struct head_field *out, const struct field *field, const char *end)
{
    *out = (struct head_field){field->name, (size_t)(end - field->name), field->name_size,
                               field->value, field->value_size};
    if (out->bytes[out->size - 1] == '\n') /* never the first: a name and a colon stand before it */
        out->size--;
    if (out->bytes[out->size - 1] == '\r')
        out->size--;
}

static int read_fields(struct head *head, const char *bytes, const struct header_reader *block)
{
    struct field field;
    size_t capacity = 0, size = (size_t)(block->end - block->begin);
    const char *strict = bytes + block->strict_end;
    bytes += block->begin;
    for (size_t at = 0; field_next(bytes, size, &at, &field);) {
        if (head->field_count == capacity) {
            capacity = capacity ? 2 * capacity : 32;
            struct head_field *fields = realloc(head->fields, capacity * sizeof *fields);
            if (!fields)
                return -ENOMEM;
            head->fields = fields;
        }
        head->strict_count += field.name < strict;
        set_field(&head->fields[head->field_count++], &field, bytes + at);
    }
    return 0;
}

static int load(const struct spill *data, struct head *head, size_t size)
{
    head->copy = malloc(size + 1);
    if (!head->copy)
        return -ENOMEM;
    for (size_t have = 0; have < size;) {
        ssize_t got = spill_read(data, have, head->copy + have, size - have);
        if (got <= 0)
            return got < 0 ? (int)got : -EIO;
        have += (size_t)got;
    }
    return 0;
}

int head_read(const struct spill *data, struct head *head)
{
    uint64_t total = spill_size(data);
    size_t size = total < READ_MAX ? (size_t)total : READ_MAX;
    struct header_reader block;
    *head = (struct head){0};
    int code = spill_memory(data) ? 0 : load(data, head, size);
    const char *bytes = head->copy ? head->copy : spill_memory(data);
    if (code == 0) {
        find_block(bytes, size, &block);
        head->body = block.strict_body;
        head->too_large = header_reader_is_too_large(&block);
        if (!head->too_large)
            code = read_fields(head, bytes, &block);
    }
    if (code < 0)
        head_free(head);
    return code;
}

void head_free(struct head *head)
{
    free(head->copy);
    free(head->fields);
    *head = (struct head){0};
}

size_t head_find(const struct head *head, const char *name, size_t from)
{
    size_t size = strlen(name);
    while (from < head->field_count && (head->fields[from].name_size != size ||
                                        strncasecmp(head->fields[from].bytes, name, size) != 0))
        from++;
    return from;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *skip_spaces(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

bool tag_value(const char *list, size_t list_size, const char *tag, char *out, size_t size)
{
    const char *end = list + list_size;
    size_t tag_size = strlen(tag), used = 0;
    for (const char *at = list; at < end;) {
        const char *stop = memchr(at, ';', (size_t)(end - at));
        stop = stop ? stop : end;
        at = skip_spaces(at, stop);
        const char *after = (size_t)(stop - at) > tag_size ? at + tag_size : NULL;
        const char *equals = after ? skip_spaces(after, stop) : stop;
        if (equals < stop && *equals == '=' && memcmp(at, tag, tag_size) == 0) {
            for (at = equals + 1; at < stop; at++) {
                if (is_space(*at))
                    continue;
                if (used + 1 >= size || *at == 0)
                    return false;
                out[used++] = *at;
            }
            out[used] = 0;
            return true;
        }
        at = stop + 1;
    }
    return false;
}
