#include "columns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The headers on a line each; they hold no control characters. */
static char *join_headers(const struct destination *destination)
{
    size_t size = 1;
    for (size_t i = 0; i < destination->header_count; i++)
        size += strlen(destination->headers[i]) + 1;
    char *text = malloc(size), *end = text;
    for (size_t i = 0; text && i < destination->header_count; i++) {
        end = stpcpy(end, destination->headers[i]);
        *end++ = '\n';
    }
    if (text)
        *end = 0;
    return text;
}

/* Pauses in ms: "5000,60000". */
static char *join_schedule(const struct destination *destination)
{
    const size_t each = 21; /* of any 64-bit number, and a comma */
    char *text = malloc(destination->schedule_count * each + 1), *end = text;
    for (size_t i = 0; text && i < destination->schedule_count; i++)
        end += sprintf(end, "%s%lld", i ? "," : "", (long long)destination->schedule_ms[i]);
    return text;
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; (text = strchr(text, '\n')); text++)
        count++;
    return count;
}

static int split_headers(struct arena *arena, const char *text, struct destination *destination)
{
    destination->header_count = text ? count_lines(text) : 0;
    if (destination->header_count == 0)
        return 0;
    destination->headers =
        arena_alloc(arena, destination->header_count * sizeof *destination->headers);
    for (size_t i = 0; destination->headers && i < destination->header_count; i++) {
        size_t size = strcspn(text, "\n");
        if (!(destination->headers[i] = arena_strndup(arena, text, size)))
            return -ENOMEM;
        text += size + 1;
    }
    return destination->headers ? 0 : -ENOMEM;
}

static int split_schedule(struct arena *arena, const char *text, struct destination *destination)
{
    size_t count = text ? 1 : 0;
    for (const char *p = text; p && (p = strchr(p, ',')); p++)
        count++;
    int64_t *pauses = count ? arena_alloc(arena, count * sizeof *pauses) : NULL;
    if (count && !pauses)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        char *end;
        pauses[i] = strtoll(text, &end, 10);
        text = end + (*end == ',');
    }
    destination->schedule_ms = pauses;
    destination->schedule_count = count;
    return 0;
}

enum column_kind column_kind(const struct destination_field *field)
{
    switch (field->type) {
    case DESTINATION_DURATION:
    case DESTINATION_NUMBER:
    case DESTINATION_BYTES: return COLUMN_NUMBER;
    case DESTINATION_RATE: return COLUMN_REAL;
    case DESTINATION_URL:
    case DESTINATION_TEXT:
    case DESTINATION_PATH:
    case DESTINATION_HEADERS:
    case DESTINATION_DURATIONS: break;
    }
    return COLUMN_TEXT;
}

int column_from(const struct destination *from, const struct destination_field *field,
                struct column *column)
{
    *column = (struct column){.kind = column_kind(field)};
    if (!destination_has(from, field))
        return 0;
    if (column->kind == COLUMN_NUMBER)
        column->number = destination_number(from, field);
    else if (column->kind == COLUMN_REAL)
        column->real = from->rate;
    else if (field->type == DESTINATION_HEADERS)
        column->text = column->owned = join_headers(from);
    else if (field->type == DESTINATION_DURATIONS)
        column->text = column->owned = join_schedule(from);
    else
        column->text = *destination_text(from, field);
    return column->kind != COLUMN_TEXT || column->text ? 0 : -ENOMEM;
}

void column_release(struct column *column)
{
    free(column->owned);
}

int column_to(struct arena *arena, const struct column *column,
              const struct destination_field *field, struct destination *to)
{
    if (column->kind == COLUMN_NUMBER)
        destination_set_number(to, field, column->number);
    else if (column->kind == COLUMN_REAL)
        to->rate = column->real;
    else if (field->type == DESTINATION_HEADERS)
        return split_headers(arena, column->text, to);
    else if (field->type == DESTINATION_DURATIONS)
        return split_schedule(arena, column->text, to);
    else if (column->text)
        return (*destination_text(to, field) = arena_strdup(arena, column->text)) ? 0 : -ENOMEM;
    return 0;
}
