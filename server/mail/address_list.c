#include "address_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int address_append(struct address_reader *reader, const char *name, const char *email)
{
    if (reader->count == ADDRESSES_MAX || (!name && !email))
        return 0;
    if (reader->count == reader->capacity) {
        size_t capacity = reader->capacity ? reader->capacity * 2 : 8;
        struct mailbox *grown = realloc(reader->items, capacity * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        reader->items = grown;
        reader->capacity = capacity;
    }
    reader->items[reader->count++] = (struct mailbox){name, email};
    return 0;
}

int address_finish(struct address_reader *reader, struct arena *arena, struct mailbox_list *list)
{
    size_t size = reader->count * sizeof *reader->items;
    int status = 0;
    *list = (struct mailbox_list){0};
    if (size > 0) {
        list->items = arena_alloc(arena, size);
        if (list->items) {
            memcpy(list->items, reader->items, size);
            list->count = reader->count;
        } else {
            status = -ENOMEM;
        }
    }
    free(reader->items);
    *reader = (struct address_reader){0};
    return status;
}

const struct mailbox *address_first(const struct mailbox_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].email)
            return &list->items[i];
    return list->count > 0 ? &list->items[0] : NULL;
}
