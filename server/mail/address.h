/*
 * address.h - lists of addresses (RFC 5322 section 3.4) as plain mailboxes.
 */
#ifndef MXHOOK_MAIL_ADDRESS_H
#define MXHOOK_MAIL_ADDRESS_H

#include <stddef.h>

#include "../base/arena.h"
#include "message.h"

#define ADDRESSES_MAX 200000u /* of one list; those after are not read */

/* A list while it is read, field after field. All zero: empty. */
struct address_reader {
    struct mailbox *items;
    size_t count, capacity;
};

/* Appends the mailboxes of a raw field value, groups flattened. Strings are in `arena`.
 * 0 or -ENOMEM. */
int address_read(struct address_reader *reader, struct arena *arena, const char *raw, size_t size);

/* The list, its array in `arena`; the reader is empty then, also after -ENOMEM. */
int address_finish(struct address_reader *reader, struct arena *arena, struct mailbox_list *list);

#endif
