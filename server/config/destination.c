#include "destination.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "destination_fields.h"

/* No address that a rule may name holds "://" (destination_target.c). */
bool destination_is_mail(const struct destination *destination)
{
    return !strstr(destination->url, "://");
}

/* ---- Copies ---- */

static int copy_text(struct arena *arena, const char **text)
{
    return !*text || (*text = arena_strdup(arena, *text)) ? 0 : -ENOMEM;
}

static int copy_headers(struct arena *arena, struct destination *to)
{
    const char **from = to->headers;
    to->headers = NULL;
    if (to->header_count == 0)
        return 0;
    to->headers = arena_alloc(arena, to->header_count * sizeof *to->headers);
    for (size_t i = 0; to->headers && i < to->header_count; i++)
        if (!(to->headers[i] = arena_strdup(arena, from[i])))
            return -ENOMEM;
    return to->headers ? 0 : -ENOMEM;
}

static int copy_schedule(struct arena *arena, struct destination *to)
{
    size_t size = to->schedule_count * sizeof *to->schedule_ms;
    int64_t *pauses = size > 0 ? arena_alloc(arena, size) : NULL;
    if (size > 0 && !pauses)
        return -ENOMEM;
    to->schedule_ms = pauses ? memcpy(pauses, to->schedule_ms, size) : NULL;
    return 0;
}

/* What the field points to becomes a copy of its own. */
static int copy_field(struct arena *arena, struct destination *to,
                      const struct destination_field *field)
{
    switch (field->type) {
    case DESTINATION_URL:
    case DESTINATION_TEXT:
    case DESTINATION_PATH: return copy_text(arena, destination_text(to, field));
    case DESTINATION_HEADERS: return copy_headers(arena, to);
    case DESTINATION_DURATIONS: return copy_schedule(arena, to);
    case DESTINATION_DURATION:
    case DESTINATION_NUMBER:
    case DESTINATION_BYTES:
    case DESTINATION_RATE: break;
    }
    return 0;
}

int destination_copy(struct arena *arena, const struct destination *from, struct destination *to)
{
    int code = 0;
    *to = *from;
    for (size_t i = 0; i < DESTINATION_FIELDS && code == 0; i++)
        code = copy_field(arena, to, &destination_fields[i]);
    return code;
}

/* ---- Profiles ---- */

static bool has_header(const struct destination *to, size_t count, const char *header)
{
    size_t size = strcspn(header, ":=");
    for (size_t i = 0; i < count; i++)
        if (strcspn(to->headers[i], ":=") == size && strncasecmp(to->headers[i], header, size) == 0)
            return true;
    return false;
}

/* Those whose name the destination has not. */
static int inherit_headers(struct arena *arena, struct destination *to,
                           const struct destination *profile)
{
    size_t own = to->header_count;
    const char **headers = arena_alloc(arena, (own + profile->header_count) * sizeof *headers);
    if (!headers)
        return -ENOMEM;
    if (own > 0)
        memcpy(headers, to->headers, own * sizeof *headers);
    to->headers = headers;
    for (size_t i = 0; i < profile->header_count; i++)
        if (!has_header(to, own, profile->headers[i]) &&
            !(headers[to->header_count++] = arena_strdup(arena, profile->headers[i])))
            return -ENOMEM;
    return 0;
}

int destination_inherit(struct arena *arena, struct destination *to,
                        const struct destination *profile)
{
    int code = profile->header_count ? inherit_headers(arena, to, profile) : 0;
    for (size_t i = 0; i < DESTINATION_FIELDS && code == 0; i++) {
        const struct destination_field *field = &destination_fields[i];
        if (destination_has(to, field) || !destination_has(profile, field))
            continue;
        memcpy((char *)to + field->offset, (const char *)profile + field->offset, field->size);
        if (field->type == DESTINATION_DURATIONS)
            to->schedule_count = profile->schedule_count;
        code = copy_field(arena, to, field);
    }
    return code;
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
