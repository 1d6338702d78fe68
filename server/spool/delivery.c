#include <errno.h>
#include <string.h>

#include "spool.h"

struct delivery *delivery_new(const char *id)
{
    struct arena *arena = arena_new();
    struct delivery *delivery = arena ? arena_alloc(arena, sizeof *delivery) : NULL;
    if (!delivery) {
        arena_free(arena);
        return NULL;
    }
    *delivery = (struct delivery){.arena = arena, .sender = "", .recipient = "", .last_error = ""};
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

int delivery_set_destination(struct delivery *delivery, const struct destination *destination)
{
    struct destination copy = *destination;
    copy.url = arena_strdup(delivery->arena, destination->url);
    if (destination->secret)
        copy.secret = arena_strdup(delivery->arena, destination->secret);
    if (!copy.url || (destination->secret && !copy.secret) ||
        copy_headers(delivery->arena, destination, &copy) != 0)
        return -ENOMEM;
    delivery->destination = copy;
    return 0;
}

void delivery_free(struct delivery *delivery)
{
    if (!delivery)
        return;
    payload_free(delivery->payload);
    arena_free(delivery->arena);
}
