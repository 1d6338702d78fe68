#include "body.h"

#include <errno.h>
#include <stdlib.h>

static ssize_t read_spill(const void *source, uint64_t offset, void *buffer, size_t size)
{
    return spill_read(source, offset, buffer, size);
}

static ssize_t read_payload(const void *source, uint64_t offset, void *buffer, size_t size)
{
    return payload_read(source, offset, buffer, size);
}

static int read_all(ssize_t (*read)(const void *source, uint64_t offset, void *buffer, size_t size),
                    const void *source, size_t size, char **out)
{
    char *bytes = malloc(size + 1);
    ssize_t n = 1;
    *out = NULL;
    if (!bytes)
        return -ENOMEM;
    for (size_t have = 0; have < size && n > 0; have += n > 0 ? (size_t)n : 0)
        n = read(source, have, bytes + have, size - have);
    if (n > 0) {
        *out = bytes;
        return 0;
    }
    free(bytes);
    return n < 0 ? (int)n : -EIO;
}

int body_of_spill(const struct spill *spill, char **bytes, size_t *size)
{
    *size = (size_t)spill_size(spill);
    return read_all(read_spill, spill, *size, bytes);
}

int body_of_payload(const struct payload *payload, char **bytes, size_t *size)
{
    *size = (size_t)payload_size(payload);
    return read_all(read_payload, payload, *size, bytes);
}

const struct history_delivery *body_shared_with(const struct history_message *m, size_t index)
{
    const struct payload *payload = m->deliveries[index].payload;
    for (size_t i = 0; payload && i < index; i++)
        if (m->deliveries[i].payload == payload)
            return &m->deliveries[i];
    return NULL;
}
