/*
 * address_list.h - a list of mailboxes, while fields are read into it (address.h) and after. No state; one thread each.
 */
#ifndef MXHOOK_MAIL_ADDRESS_LIST_H
#define MXHOOK_MAIL_ADDRESS_LIST_H

#include <stddef.h>

#include "../base/arena.h"
#include "message.h"

#define ADDRESSES_MAX 40000u /* of one list; those after are not read */

/* A list while it is read, field after field. All zero: empty. */
struct address_reader {
    struct mailbox *items;
    size_t count, capacity;
};

/* Appends one; the texts stay the caller's. Beyond ADDRESSES_MAX, and with neither, it is left out. 0 or -ENOMEM. */
int address_append(struct address_reader *reader, const char *name, const char *email);

/* The list, its array in `arena`; the reader is empty then, also after -ENOMEM. */
int address_finish(struct address_reader *reader, struct arena *arena, struct mailbox_list *list);

/* The first mailbox that has an email, or else the first; NULL where there is none. */
const struct mailbox *address_first(const struct mailbox_list *list);

#endif
