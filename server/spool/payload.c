#include <stdlib.h>

#include "store.h"

struct payload *payload_new(struct spill *head, struct spill *tail)
{
    struct whole {
        struct payload payload;
        struct payload_stored stored;
    } *whole = calloc(1, sizeof *whole);
    if (!whole)
        return NULL;
    atomic_init(&whole->payload.references, 1);
    whole->payload.head = head;
    whole->payload.tail = tail;
    whole->payload.stored = &whole->stored;
    return &whole->payload;
}

struct payload *payload_ref(struct payload *payload)
{
    atomic_fetch_add_explicit(&payload->references, 1, memory_order_relaxed);
    return payload;
}

void payload_free(struct payload *payload)
{
    if (!payload || atomic_fetch_sub_explicit(&payload->references, 1, memory_order_acq_rel) > 1)
        return;
    spill_free(payload->head);
    spill_free(payload->tail);
    free(payload);
}

uint64_t payload_size(const struct payload *payload)
{
    return spill_size(payload->head) + (payload->tail ? spill_size(payload->tail) : 0);
}

static uint64_t in_memory(const struct spill *spill)
{
    return spill && spill_fd(spill) < 0 ? spill_size(spill) : 0;
}

uint64_t payload_memory(const struct payload *payload)
{
    return in_memory(payload->head) + in_memory(payload->tail);
}

ssize_t payload_read(const struct payload *payload, uint64_t offset, void *buffer, size_t size)
{
    uint64_t head_size = spill_size(payload->head);
    if (offset < head_size)
        return spill_read(payload->head, offset, buffer, size);
    return payload->tail ? spill_read(payload->tail, offset - head_size, buffer, size) : 0;
}
