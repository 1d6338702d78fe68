/*
 * structure.h - where the parts of a message stand (RFC 2045, 2046).
 *
 * leaf         a part that is not a multipart; an attached message is one too
 * level        a multipart that is open; its boundary ends what is inside
 *
 * GMime has a parser for this, and mxhook does not use it, for what it costs where somebody means
 * harm (measured): 10 MB of empty parts took 2.6 GB and 14 s, a header line of 50 MB 350 MB, and
 * its tree has no limits to set. This one keeps to the limits in message.h, by a stack of its own.
 */
#ifndef MXHOOK_MAIL_STRUCTURE_H
#define MXHOOK_MAIL_STRUCTURE_H

#include "message.h"

struct structure {
    const char *header; /* the message's header block, raw, up to its limit */
    size_t header_size;
    char *header_memory; /* where it had to be read from a file; else NULL */
    bool too_large;      /* what fields.h says of it */
    unsigned repairs;    /* of enum repair */
    struct part *parts; /* in the order of the message, without their roles; strings in the arena */
    size_t part_count, part_capacity;
};

/* 0, -ENOMEM or an error from reading. Either way structure_free() frees. */
int structure_find(const struct spill *data, struct arena *arena, struct structure *structure);
void structure_free(struct structure *structure);

#endif
