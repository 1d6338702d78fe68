#include "message.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "buffer.h"
#include "charset.h"
#include "fields.h"
#include "role.h"
#include "structure.h"
#include "utf8.h"
#include "words.h"

#define DATE_MAX_SIZE 512

void message_init(void)
{
    g_mime_init();
}

/* Nothing to unfold or decode. */
static bool is_simple(const char *value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c >= 0x80 || c == '\r' || c == '\n' || c == 0x1B ||
            (c == '=' && i + 1 < size && value[i + 1] == '?'))
            return false;
    }
    return true;
}

static int keep(struct message *message, const char *text, size_t size, char **out)
{
    *out = arena_strndup(message->arena, text, size);
    return *out ? 0 : -ENOMEM;
}

/* A name can be of any bytes; where two are alike once they are valid UTF-8, they are one name. */
static int keep_name(struct message *message, const struct field *field, struct buffer *scratch,
                     char **out)
{
    scratch->size = 0;
    if (utf8_valid_size(field->name, field->name_size) == field->name_size)
        return keep(message, field->name, field->name_size, out);
    int status = charset_append(scratch, NULL, field->name, field->name_size);
    return status < 0 ? status : keep(message, scratch->bytes, scratch->size, out);
}

static int add_header(struct message *message, const struct field *field, struct buffer *scratch)
{
    const char *raw = field->value;
    size_t size = field->value_size;
    char *name = NULL, *value = NULL;
    int status = keep_name(message, field, scratch, &name);
    scratch->size = 0;
    if (status == 0 && !is_simple(raw, size)) {
        status = words_decode(scratch, raw, size);
        raw = scratch->size ? scratch->bytes : "";
        size = scratch->size;
    }
    if (status == 0)
        status = keep(message, raw, size, &value);
    return status < 0 ? status : header_list_append(&message->headers, name, value, size);
}

struct readers {
    struct address_reader from, to, cc;
};

static struct address_reader *reader_for(struct readers *readers, const struct field *field)
{
    if (field_is(field, "From"))
        return &readers->from;
    if (field_is(field, "To"))
        return &readers->to;
    return field_is(field, "Cc") ? &readers->cc : NULL;
}

static int read_headers(struct message *message, const struct structure *structure)
{
    struct buffer scratch = {0};
    struct readers readers = {0};
    struct field field;
    int status = 0;
    for (size_t at = 0; status == 0 && message->headers.count < HEADER_MAX_FIELDS &&
                        field_next(structure->header, structure->header_size, &at, &field);) {
        struct address_reader *reader = field.name_size <= 4 ? reader_for(&readers, &field) : NULL;
        status = add_header(message, &field, &scratch);
        if (reader && status == 0)
            status = address_read(reader, message->arena, field.value, field.value_size);
    }
    buffer_free(&scratch);
    int finished[] = {
        address_finish(&readers.from, message->arena, &message->from),
        address_finish(&readers.to, message->arena, &message->to),
        address_finish(&readers.cc, message->arena, &message->cc),
    };
    for (size_t i = 0; i < 3 && status == 0; i++)
        status = finished[i];
    return status;
}

/* The first field of that name as a C string: NUL is left out. NULL in *out where there is none. */
static int first_value(struct message *message, const char *name, const char **out)
{
    size_t i = header_list_find(&message->headers, name, 0);
    *out = NULL;
    if (i == message->headers.count)
        return 0;
    const struct header *header = &message->headers.items[i];
    *out = header->value;
    if (!memchr(header->value, 0, header->value_size))
        return 0;
    struct buffer text = {0};
    int status = buffer_append(&text, header->value, header->value_size);
    if (status == 0) {
        buffer_drop_nul(&text);
        *out = arena_strndup(message->arena, text.bytes, text.size);
        status = *out ? 0 : -ENOMEM;
    }
    buffer_free(&text);
    return status;
}

static const char *skip_spaces(const char *text)
{
    return text + strspn(text, " \t\r\n");
}

/* "<a@b> (comment)" is "a@b"; without brackets, the whole value. NULL where nothing is left. */
static int bare_message_id(struct message *message)
{
    const char *begin = message->message_id;
    if (!begin)
        return 0;
    const char *open = strchr(begin, '<');
    begin = skip_spaces(open ? open + 1 : begin);
    size_t size = open ? strcspn(begin, ">") : strlen(begin);
    while (size > 0 && strchr(" \t\r\n", begin[size - 1]))
        size--;
    message->message_id = size ? arena_strndup(message->arena, begin, size) : NULL;
    return size && !message->message_id ? -ENOMEM : 0;
}

static int64_t read_timestamp(const char *date, int64_t received_seconds)
{
    /* GMime makes a list of the words of a date; no date is this long. */
    bool readable = date && strlen(date) <= DATE_MAX_SIZE;
    GDateTime *time = readable ? g_mime_utils_header_decode_date(date) : NULL;
    if (!time)
        return received_seconds;
    int64_t seconds = g_date_time_to_unix(time);
    g_date_time_unref(time);
    return seconds;
}

static int read_fields(struct message *message, int64_t received_seconds)
{
    int status = first_value(message, "Subject", &message->subject);
    if (status == 0)
        status = first_value(message, "Message-ID", &message->message_id);
    if (status == 0)
        status = bare_message_id(message);
    if (status == 0)
        status = first_value(message, "Date", &message->date);
    if (!message->subject)
        message->subject = "";
    message->timestamp = read_timestamp(message->date, received_seconds);
    return status;
}

static int take_parts(struct message *message, const struct structure *structure)
{
    size_t size = structure->part_count * sizeof *message->parts;
    if (size == 0)
        return 0;
    message->parts = arena_alloc(message->arena, size);
    if (!message->parts)
        return -ENOMEM;
    memcpy(message->parts, structure->parts, size);
    message->part_count = structure->part_count;
    return role_assign(message);
}

int message_parse(struct spill *data, int64_t received_seconds, struct message **out,
                  struct error *err)
{
    struct structure structure;
    struct arena *arena = arena_new();
    struct message *message = arena ? arena_alloc(arena, sizeof *message) : NULL;
    *out = NULL;
    if (!message) {
        arena_free(arena);
        return error_set(err, -ENOMEM, "reading a message: %s", strerror(ENOMEM));
    }
    *message = (struct message){.arena = arena, .data = spill_ref(data)};
    int status = structure_find(data, arena, &structure);
    message->too_large = structure.too_large;
    if (status == 0)
        status = read_headers(message, &structure);
    if (status == 0)
        status = read_fields(message, received_seconds);
    if (status == 0)
        status = take_parts(message, &structure);
    structure_free(&structure);
    if (status < 0) {
        message_free(message);
        return error_set(err, status, "reading a message: %s", strerror(-status));
    }
    *out = message;
    return 0;
}

void message_free(struct message *message)
{
    if (!message)
        return;
    header_list_free(&message->headers);
    spill_free(message->data);
    arena_free(message->arena); /* the message itself lives in it */
}
