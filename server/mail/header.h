/*
 * header.h - header fields, decoded, in order.
 *
 * raw          a field's value as it stood, folded and encoded, without the final line end
 * value        unfolded, RFC 2047-decoded, valid UTF-8 (undecodable bytes are U+FFFD)
 *
 * A message's own list is never changed. Each recipient's run of the rules works on a copy, which
 * shares the strings: so what one reshapes, another does not see.
 */
#ifndef MXHOOK_MAIL_HEADER_H
#define MXHOOK_MAIL_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/arena.h"

struct header {
    const char *name; /* as it stood, but valid UTF-8 */
    const char *value;
    size_t value_size; /* a value may hold U+0000 */
};

struct header_list {
    struct header *items;
    size_t count, capacity;
};

/* All: 0 or -ENOMEM. Strings are not copied: they live in the message's arena, or in the copy's. */
int header_list_append(struct header_list *list, const char *name, const char *value, size_t size);
int header_list_copy(struct header_list *to, const struct header_list *from);
void header_list_free(struct header_list *list); /* the array, not the strings */

/* The first field of that name in any case at or after index `from`; list->count where none. */
size_t header_list_find(const struct header_list *list, const char *name, size_t from);

/* Removes every field of that name in any case; returns how many there were. */
size_t header_list_remove(struct header_list *list, const char *name);

#endif
