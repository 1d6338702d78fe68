/*
 * part_header.h - what a part's header block says of its body (RFC 2045, 2183).
 */
#ifndef MXHOOK_MAIL_PART_HEADER_H
#define MXHOOK_MAIL_PART_HEADER_H

#include "message.h"

#define TYPE_MAX 256 /* bytes of a media type and its NUL; a longer one is no type */

struct part_header {
    struct part part;    /* charset, name, cid, disposition and encoding */
    char type[TYPE_MAX]; /* what was there before the call stays where the block has none */
    char *boundary;      /* in the arena; NULL: no multipart, or none that can be taken apart */
    size_t boundary_size;
    size_t types;    /* Content-Type fields that say anything */
    bool has_fields; /* the block has any, of this kind or not; part_header_read() leaves it */
};

/* Reads a raw block, or the Content-* fields of one, into a header that is empty but for its type. Of
 * several Content-Type fields the one with that index counts. 0 or -ENOMEM. */
int part_header_read(const char *block, size_t size, size_t which, struct arena *arena,
                     struct part_header *header);

/* By its type; whether it can be taken apart, `boundary` says. */
bool part_header_is_multipart(const struct part_header *header);

#endif
