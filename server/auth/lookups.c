#include "lookups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct dns_answer none = {.status = DNS_NONE};

static struct lookup *find(const struct lookups *lookups, const char *name, enum record_type type)
{
    for (size_t i = 0; i < lookups->count; i++)
        if (lookups->items[i].type == type && strcmp(lookups->items[i].name, name) == 0)
            return &lookups->items[i];
    return NULL;
}

static int add(struct lookups *lookups, const char *name, enum record_type type)
{
    if (lookups->count == LOOKUPS_MAX)
        return -E2BIG;
    if (lookups->count == lookups->capacity) {
        size_t capacity = lookups->capacity ? 2 * lookups->capacity : 4;
        struct lookup *items = realloc(lookups->items, capacity * sizeof *items);
        if (!items)
            return -ENOMEM;
        lookups->items = items;
        lookups->capacity = capacity;
    }
    struct lookup *lookup = &lookups->items[lookups->count++];
    strcpy(lookup->name, name);
    lookup->type = type;
    lookup->answer = NULL;
    return 0;
}

int lookups_get(struct lookups *lookups, const char *name, enum record_type type,
                const struct dns_answer **out)
{
    char normal[DNS_NAME_MAX + 1];
    if (!dns_name(name, normal)) {
        *out = &none;
        return 0;
    }
    const struct lookup *lookup = find(lookups, normal, type);
    if (lookup && lookup->answer) {
        *out = lookup->answer;
        return 0;
    }
    int code = lookup ? 0 : add(lookups, normal, type);
    return code < 0 ? code : -EAGAIN;
}

const struct dns_answer *lookups_find(const struct lookups *lookups, const char *name,
                                      enum record_type type)
{
    char normal[DNS_NAME_MAX + 1];
    const struct lookup *lookup = dns_name(name, normal) ? find(lookups, normal, type) : NULL;
    return lookup ? lookup->answer : NULL;
}

void lookups_free(struct lookups *lookups)
{
    for (size_t i = 0; i < lookups->count; i++)
        dns_answer_unref(lookups->items[i].answer);
    free(lookups->items);
    *lookups = (struct lookups){0};
}
