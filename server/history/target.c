#include "target.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../spool/columns.h"

/* A line for each fact of a destination: its name, a tab, and what it is. */
static const struct {
    const char *name;
    size_t offset;
} target_texts[] = {
    {"url", offsetof(struct destination, url)},
    {"secret", offsetof(struct destination, secret)},
    {"ca_file", offsetof(struct destination, ca_file)},
    {"client_cert", offsetof(struct destination, client_cert)},
    {"client_key", offsetof(struct destination, client_key)},
};

#define TARGET_TEXTS (sizeof target_texts / sizeof *target_texts)

static const char **text_at(const struct destination *to, size_t index)
{
    return (const char **)((char *)to + target_texts[index].offset);
}

static void write_numbers(FILE *out, const struct destination *to)
{
    if (to->timeout_ms)
        fprintf(out, "timeout\t%lld\n", (long long)to->timeout_ms);
    if (to->attempts)
        fprintf(out, "attempts\t%u\n", to->attempts);
    if (to->rate > 0)
        fprintf(out, "rate\t%.17g\n", to->rate);
    if (to->max_in_flight)
        fprintf(out, "max_in_flight\t%zu\n", to->max_in_flight);
    if (to->max_body)
        fprintf(out, "max_body\t%llu\n", (unsigned long long)to->max_body);
}

const char *history_target_write(struct arena *arena, const struct destination *to)
{
    char *text = NULL, *schedule = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (size_t i = 0; i < TARGET_TEXTS; i++)
        if (*text_at(to, i))
            fprintf(out, "%s\t%s\n", target_texts[i].name, *text_at(to, i));
    for (size_t i = 0; i < to->header_count; i++)
        fprintf(out, "header\t%s\n", to->headers[i]);
    write_numbers(out, to);
    bool complete = to->schedule_count == 0 || (schedule = destination_join_schedule(to));
    if (schedule)
        fprintf(out, "schedule\t%s\n", schedule);
    free(schedule);
    const char *kept = fclose(out) == 0 && complete ? arena_strndup(arena, text, size) : NULL;
    free(text);
    return kept;
}

/* What stands after its name; NULL: another fact. */
static char *fact(char *line, const char *name)
{
    size_t size = strlen(name);
    return strncmp(line, name, size) == 0 && line[size] == '\t' ? line + size + 1 : NULL;
}

static int read_fact(struct arena *arena, char *line, struct destination *to)
{
    char *value;
    for (size_t i = 0; i < TARGET_TEXTS; i++)
        if ((value = fact(line, target_texts[i].name)))
            *text_at(to, i) = value;
    if ((value = fact(line, "header")))
        to->headers[to->header_count++] = value;
    else if ((value = fact(line, "timeout")))
        to->timeout_ms = strtoll(value, NULL, 10);
    else if ((value = fact(line, "attempts")))
        to->attempts = (unsigned)strtoul(value, NULL, 10);
    else if ((value = fact(line, "rate")))
        to->rate = strtod(value, NULL);
    else if ((value = fact(line, "max_in_flight")))
        to->max_in_flight = strtoul(value, NULL, 10);
    else if ((value = fact(line, "max_body")))
        to->max_body = strtoull(value, NULL, 10);
    else if ((value = fact(line, "schedule")))
        return destination_split_schedule(arena, value, to);
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
        code = read_fact(arena, line, to);
    return code != 0 ? code : to->url ? 0 : -EINVAL;
}
