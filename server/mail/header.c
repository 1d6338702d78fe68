#include "header.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_CAPACITY 32

static int make_room(struct header_list *list)
{
    if (list->count < list->capacity)
        return 0;
    size_t capacity = list->capacity ? list->capacity * 2 : FIRST_CAPACITY;
    struct header *grown = realloc(list->items, capacity * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    list->items = grown;
    list->capacity = capacity;
    return 0;
}

int header_list_append(struct header_list *list, const char *name, const char *value, size_t size)
{
    int status = make_room(list);
    if (status == 0)
        list->items[list->count++] = (struct header){name, value, size};
    return status;
}

int header_list_copy(struct header_list *to, const struct header_list *from)
{
    *to = (struct header_list){0};
    if (from->count == 0)
        return 0;
    to->items = malloc(from->count * sizeof *to->items);
    if (!to->items)
        return -ENOMEM;
    memcpy(to->items, from->items, from->count * sizeof *to->items);
    to->count = to->capacity = from->count;
    return 0;
}

void header_list_free(struct header_list *list)
{
    free(list->items);
    *list = (struct header_list){0};
}

size_t header_list_find(const struct header_list *list, const char *name, size_t from)
{
    size_t i = from;
    while (i < list->count && strcasecmp(list->items[i].name, name) != 0)
        i++;
    return i < list->count ? i : list->count;
}

size_t header_list_remove(struct header_list *list, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (strcasecmp(list->items[i].name, name) != 0)
            list->items[kept++] = list->items[i];
    size_t removed = list->count - kept;
    list->count = kept;
    return removed;
}
