#include "columns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *destination_join_headers(const struct destination *destination)
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

char *destination_join_schedule(const struct destination *destination)
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

int destination_split_headers(struct arena *arena, const char *text,
                              struct destination *destination)
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

int destination_split_schedule(struct arena *arena, const char *text,
                               struct destination *destination)
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
