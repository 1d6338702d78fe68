/*
 * address.h - lists of addresses (RFC 5322 section 3.4) as plain mailboxes.
 *
 * What is read beyond the RFC, since mail has it: commas, brackets, colons and "@" in names without
 * quotes ("Doe, John <a@b>" is one mailbox), "mailto:", local parts with odd dots, semicolons for
 * commas, a mailbox or a whole list inside an encoded word or quotes, addresses without a comma
 * between. One that cannot be read costs no other.
 *
 * A mailbox without an address that somebody could answer to keeps its name; its email is NULL.
 *
 * This is all that decides which addresses a field shows. Who checks a message's From reads every
 * From field of it with one reader (address_read() for each, then address_finish(), address_list.h): the list holds
 * each address that the payload or a rule could show for it; whose they are, also to readers that
 * see more in them, auth/author.c says. The payload's `from` is address_first() of that list.
 */
#ifndef MXHOOK_MAIL_ADDRESS_H
#define MXHOOK_MAIL_ADDRESS_H

#include <stddef.h>

#include "address_list.h"

/* Appends the mailboxes of a raw field value, groups flattened. Strings are in `arena`.
 * 0 or -ENOMEM. */
int address_read(struct address_reader *reader, struct arena *arena, const char *raw, size_t size);

#endif
