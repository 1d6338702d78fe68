#include "destination.h"

#include <errno.h>
#include <string.h>

/* No address that a rule may name holds "://" (rules/answer_target.c). */
bool destination_is_mail(const struct destination *destination)
{
    return !strstr(destination->url, "://");
}

static const char *copy_text(struct arena *arena, const char *text, bool *failed)
{
    const char *copy = text ? arena_strdup(arena, text) : NULL;
    *failed |= text && !copy;
    return copy;
}

int destination_copy(struct arena *arena, const struct destination *from, struct destination *to)
{
    bool failed = false;
    *to = *from;
    to->url = copy_text(arena, from->url, &failed);
    to->secret = copy_text(arena, from->secret, &failed);
    to->ca_file = copy_text(arena, from->ca_file, &failed);
    to->client_cert = copy_text(arena, from->client_cert, &failed);
    to->client_key = copy_text(arena, from->client_key, &failed);
    const char **headers = arena_alloc(arena, (from->header_count + 1) * sizeof *headers);
    int64_t *schedule = arena_alloc(arena, (from->schedule_count + 1) * sizeof *schedule);
    if (!headers || !schedule)
        return -ENOMEM;
    for (size_t i = 0; i < from->header_count; i++)
        headers[i] = copy_text(arena, from->headers[i], &failed);
    if (from->schedule_count > 0)
        memcpy(schedule, from->schedule_ms, from->schedule_count * sizeof *schedule);
    to->headers = headers;
    to->schedule_ms = schedule;
    return failed ? -ENOMEM : 0;
}

const struct profile *profile_named(const struct profile *profiles, size_t count, const char *text,
                                    const char **rest)
{
    size_t size = strcspn(text, ":");
    for (size_t i = 0; i < count && text[size]; i++)
        if (strncmp(profiles[i].name, text, size) == 0 && !profiles[i].name[size]) {
            *rest = text + size + 1;
            return &profiles[i];
        }
    return NULL;
}
