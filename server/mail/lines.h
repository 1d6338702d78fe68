/*
 * lines.h - a spill's lines, one after the other, in bounded memory.
 *
 * A line ends with LF or CRLF. One that is longer than the window comes in fragments.
 */
#ifndef MXHOOK_MAIL_LINES_H
#define MXHOOK_MAIL_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/spill.h"

#define LINES_WINDOW (64u * 1024u) /* bytes of a file in memory at once */

struct lines {
    const struct spill *spill;
    const char *memory; /* all of it; NULL: in a file, and read by the window */
    char *window;
    uint64_t window_offset; /* of window[0] in the spill */
    size_t window_size;
    uint64_t offset, size; /* of the next line; of the spill */
    bool inside;           /* the next fragment goes on with a line */
    char last;             /* the byte before `offset` */
};

struct line {
    uint64_t offset;
    const char *bytes; /* until the next call */
    size_t size;       /* its line end included */
    size_t end_size;   /* of the line end: 2, 1, or 0 where the line goes on or the spill ends */
    bool begins;       /* false: a later fragment */
};

int lines_open(struct lines *lines, const struct spill *spill); /* 0 or -ENOMEM */
void lines_close(struct lines *lines);

/* Goes on with the line that begins at `offset`, ahead or behind. */
void lines_seek(struct lines *lines, uint64_t offset);

/* 1; 0 at the end; or a negative errno. */
int lines_next(struct lines *lines, struct line *line);

#endif
