/* structure_scan.h - for structure.c and structure_boundary.c: a message while its parts are looked for. */
#ifndef MXHOOK_MAIL_STRUCTURE_SCAN_H
#define MXHOOK_MAIL_STRUCTURE_SCAN_H

#include "buffer.h"
#include "lines.h"
#include "part_header.h"
#include "structure.h"

#define STRUCTURE_AHEAD                                                                            \
    (1u << 20) /* bytes behind a likely boundary in which a better one may come */

struct level {
    char *boundary;
    size_t boundary_size;
    bool seen;    /* its boundary came */
    bool related; /* it, or one around it, is a multipart/related */
    bool digest;
    struct part alone; /* the leaf that it is if its boundary never comes */
};

struct structure_scan {
    struct arena *arena;
    const struct spill *data;
    struct structure *found;
    struct lines lines;
    struct line line;
    size_t last_end; /* size of the line end before `line`, inside the current body */
    struct level levels[MESSAGE_MAX_DEPTH];
    size_t depth;
    bool in_leaf;          /* the last part is open */
    struct buffer content; /* the Content-* fields of the last header block */
    uint64_t ahead_left;   /* bytes that may still be read ahead, to find boundaries */
};

/* A part as it is opened: where its header block begins, and whether there is a body behind it. */
struct entity {
    struct part_header header;
    uint64_t begin, body;
    bool has_body;
};

/* Is the line a boundary, and whose? Innermost first. One that does not fit the window is none, so
 * that it is the same from memory and from a file. */
bool structure_find_boundary(const struct structure_scan *scan, size_t *level, bool *close);

/* Reads the Content-* fields of the last header block; `which` of its Content-Type fields counts. */
int structure_read_fields(struct structure_scan *scan, size_t which, struct part_header *header);

/* structure_boundary.c.
 *
 * Of several Content-Type fields the one counts whose boundary comes; else the first. A boundary with
 * other dashes than were declared is that which stands there; where none was declared, the body's
 * first line is one if it comes again as the end. */
int structure_settle_boundary(struct structure_scan *scan, struct entity *entity);

#endif
