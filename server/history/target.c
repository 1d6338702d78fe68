#include "target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../spool/columns.h"

/* A line for each field of a destination that is set, and for each of its headers: its name, a tab, and what it is. */
static const char *name_of(const struct destination_field *field)
{
    return field->type == DESTINATION_HEADERS ? "header" : field->name;
}

/* A field's column, as a line; a header each. */
static void write_column(FILE *out, const struct destination *to,
                         const struct destination_field *field, const struct column *column)
{
    const char *name = name_of(field);
    if (field->type == DESTINATION_HEADERS)
        for (size_t i = 0; i < to->header_count; i++)
            fprintf(out, "%s\t%s\n", name, to->headers[i]);
    else if (column->kind == COLUMN_NUMBER)
        fprintf(out, "%s\t%lld\n", name, (long long)column->number);
    else if (column->kind == COLUMN_REAL)
        fprintf(out, "%s\t%.17g\n", name, column->real);
    else
        fprintf(out, "%s\t%s\n", name, column->text);
}

const char *history_target_write(struct arena *arena, const struct destination *to)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    int code = 0;
    for (size_t i = 0; i < DESTINATION_FIELDS && code == 0; i++) {
        struct column column;
        if (!destination_has(to, &destination_fields[i]))
            continue;
        code = column_from(to, &destination_fields[i], &column);
        if (code == 0)
            write_column(out, to, &destination_fields[i], &column);
        column_release(&column);
    }
    const char *kept = fclose(out) == 0 && code == 0 ? arena_strndup(arena, text, size) : NULL;
    free(text);
    return kept;
}

/* What stands after its name; NULL: another field. */
static char *value_of(char *line, const char *name)
{
    size_t size = strlen(name);
    return strncmp(line, name, size) == 0 && line[size] == '\t' ? line + size + 1 : NULL;
}

static int read_line(struct arena *arena, char *line, struct destination *to)
{
    for (size_t i = 0; i < DESTINATION_FIELDS; i++) {
        const struct destination_field *field = &destination_fields[i];
        char *value = value_of(line, name_of(field));
        struct column column = {.kind = column_kind(field), .text = value};
        if (!value)
            continue;
        if (field->type == DESTINATION_HEADERS) {
            to->headers[to->header_count++] = value;
            return 0;
        }
        if (column.kind == COLUMN_NUMBER)
            column.number = strtoll(value, NULL, 10);
        else if (column.kind == COLUMN_REAL)
            column.real = strtod(value, NULL);
        return column_to(arena, &column, field, to);
    }
    return 0;
}

int history_target_read(struct arena *arena, const char *target, struct destination *to)
{
    char *copied = arena_strdup(arena, target), *rest;
    int code = 0;
    *to = (struct destination){0};
    to->headers = arena_alloc(arena, (strlen(target) / 8 + 1) * sizeof *to->headers);
    if (!copied || !to->headers)
        return -ENOMEM;
    for (char *line = strtok_r(copied, "\n", &rest); line && code == 0;
         line = strtok_r(NULL, "\n", &rest))
        code = read_line(arena, line, to);
    return code != 0 ? code : to->url ? 0 : -EINVAL;
}
