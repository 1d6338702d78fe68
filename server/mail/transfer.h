/*
 * transfer.h - Content-Transfer-Encodings (RFC 2045 section 6) and uuencode, decoded in pieces.
 *
 * What mail has beyond the RFC: base64 that goes on behind padding, or lacks it; quoted-printable with
 * blanks at line ends, which are no part of it; uuencode whose blanks at line ends were cut, where they
 * are zeros, or without its "begin" line.
 */
#ifndef MXHOOK_MAIL_TRANSFER_H
#define MXHOOK_MAIL_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>

#include "base64.h"

enum transfer_kind { TRANSFER_PLAIN, TRANSFER_BASE64, TRANSFER_QUOTED, TRANSFER_UU };

/* Where uuencode begins: its lines are looked at from the beginning of the part. All zero at the
 * beginning. */
struct uu_search {
    bool begin;      /* there is a "begin" line */
    bool data_first; /* the first line that is not empty can be one of data */
    bool first_seen;
    char line[128]; /* the beginning of the current line */
    size_t line_size;
};

/* Bytes of the part, from its beginning on, in pieces. */
void uu_search(struct uu_search *search, const char *bytes, size_t size);

/* There is none; it begins after a "begin" line; or with the first line that is not empty. */
enum uu_start { UU_NONE, UU_AT_BEGIN, UU_AT_ONCE };
enum uu_start uu_found(struct uu_search *search); /* after all of it */

struct transfer {
    enum transfer_kind kind;
    struct base64_stream base64;
    bool before_begin, after_end; /* of uuencode */
    char held[128]; /* of uuencode: the current line; of quoted-printable: what may go */
    size_t held_size;
};

#define TRANSFER_ROOM(size) (4 * (size) + 256) /* what `size` bytes may become */

/* `encoding` is a GMimeContentEncoding; `start` counts for uuencode. */
void transfer_init(struct transfer *transfer, int encoding, enum uu_start start);
/* Both return how many bytes they wrote. */
size_t transfer_write(struct transfer *transfer, const char *bytes, size_t size, char *out);
size_t transfer_end(struct transfer *transfer, char *out);

#endif
