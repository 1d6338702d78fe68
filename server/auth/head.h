/*
 * head.h - a message's header fields exactly as they came, as signatures cover them.
 *
 * mail/message.h has them decoded; that is of no use to DKIM. Which fields there are, mail/fields.h
 * says, to both.
 */
#ifndef MXHOOK_AUTH_HEAD_H
#define MXHOOK_AUTH_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/spill.h"
#include "../mail/fields.h"

/* One field: "Name: value", folded, without its last line end. */
struct head_field {
    const char *bytes;
    size_t size, name_size;
    const char *value; /* without white space around it */
    size_t value_size;
};

struct head {
    char *copy; /* NULL: the fields stand in the spill's own memory */
    struct head_field *fields;
    size_t field_count;
    /* Of them, those that a signer sees: none behind a stray line (fields.h) */
    size_t strict_count;
    uint64_t body;  /* where the body starts, to who signs */
    bool too_large; /* over a limit of fields.h: no fields; the server refuses the message */
};

/* `data` must outlive `head`. 0, or a negative errno from reading or for memory. */
int head_read(const struct spill *data, struct head *head);
void head_free(struct head *head);

/* The first field of that name in any case at or after `from`; field_count where none. */
size_t head_find(const struct head *head, const char *name, size_t from);

/* Copies the value of a tag of a tag=value list (RFC 6376 section 3.2) without white space, and
 * NUL-terminated; false where the tag is missing or does not fit. */
bool tag_value(const char *list, size_t list_size, const char *tag, char *out, size_t size);

#endif
