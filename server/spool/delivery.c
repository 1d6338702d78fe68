#include <errno.h>
#include <string.h>

#include "store.h"

struct delivery *delivery_new(const char *id)
{
    struct arena *arena = arena_new();
    struct delivery *delivery = arena ? arena_alloc(arena, sizeof *delivery) : NULL;
    struct stored *stored = delivery ? arena_alloc(arena, sizeof *stored) : NULL;
    if (!stored) {
        arena_free(arena);
        return NULL;
    }
    *stored = (struct stored){0};
    *delivery = (struct delivery){
        .arena = arena, .stored = stored, .sender = "", .recipient = "", .last_error = ""};
    delivery->destination.url = "";
    strncat(delivery->id, id, sizeof delivery->id - 1);
    return delivery;
}

static int copy_headers(struct arena *arena, const struct destination *from, struct destination *to)
{
    to->headers = NULL;
    if (from->header_count == 0)
        return 0;
    to->headers = arena_alloc(arena, from->header_count * sizeof *to->headers);
    for (size_t i = 0; to->headers && i < from->header_count; i++) {
        to->headers[i] = arena_strdup(arena, from->headers[i]);
        if (!to->headers[i])
            return -ENOMEM;
    }
    return to->headers ? 0 : -ENOMEM;
}

static bool copy_text(struct arena *arena, const char **text)
{
    *text = arena_strdup(arena, *text);
    return *text;
}

static int copy_schedule(struct arena *arena, struct destination *to)
{
    int64_t *pauses = NULL;
    size_t size = to->schedule_count * sizeof *pauses;
    if (size > 0 && !(pauses = arena_alloc(arena, size)))
        return -ENOMEM;
    if (size > 0)
        memcpy(pauses, to->schedule_ms, size);
    to->schedule_ms = pauses;
    return 0;
}

int delivery_set_destination(struct delivery *delivery, const struct destination *destination)
{
    struct destination copy = *destination;
    struct arena *arena = delivery->arena;
    const char **texts[] = {&copy.url, &copy.secret, &copy.ca_file, &copy.client_cert,
                            &copy.client_key};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (*texts[i] && !copy_text(arena, texts[i]))
            return -ENOMEM;
    if (copy_headers(arena, destination, &copy) != 0 || copy_schedule(arena, &copy) != 0)
        return -ENOMEM;
    delivery->destination = copy;
    return 0;
}

int delivery_replace_payload(struct delivery *delivery, struct spill *copy, int code)
{
    if (code == 0)
        code = spill_sync(copy);
    struct payload *payload = code == 0 ? payload_new(copy, NULL) : NULL;
    if (!payload) {
        if (copy)
            spill_unlink(copy);
        spill_free(copy);
        return code ? code : -ENOMEM;
    }
    payload_free(delivery->payload);
    delivery->payload = payload;
    return 0;
}

const char *delivery_origin(const struct delivery *delivery)
{
    return delivery->via ? delivery->via : delivery->destination.url;
}

void delivery_free(struct delivery *delivery)
{
    if (!delivery)
        return;
    delivery_free(delivery->notice);
    payload_free(delivery->payload);
    arena_free(delivery->arena);
}
