#include <errno.h>
#include <string.h>

#include "../config/destination_read.h"
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

int delivery_set_destination(struct delivery *delivery, const struct destination *destination)
{
    struct destination copy;
    int code = destination_copy(delivery->arena, destination, &copy);
    if (code == 0)
        delivery->destination = copy;
    return code;
}

const char *delivery_fault(const struct delivery *d)
{
    const struct destination *to = &d->destination;
    struct error why;
    if (destination_check_target(to->url, strlen(to->url), &why) != 0)
        return "its destination is neither a URL nor an e-mail address";
    for (size_t i = 0; i < to->header_count; i++)
        if (strchr(to->headers[i], '\r'))
            return "a header of its destination has more than one line";
    return d->mail_from && strpbrk(d->mail_from, "\r\n") ? "its sender has more than one line"
                                                         : NULL;
}

struct queue_attempt delivery_last_attempt(const struct delivery *d)
{
    return (struct queue_attempt){.at_ms = d->last_at_ms,
                                  .ms = d->last_ms,
                                  .status = d->last_status,
                                  .error = d->last_error,
                                  .reply = d->last_reply,
                                  .reply_size = d->last_reply ? d->last_reply_size : 0};
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
