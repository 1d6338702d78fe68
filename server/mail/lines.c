#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int lines_open(struct lines *lines, const struct spill *spill)
{
    *lines =
        (struct lines){.spill = spill, .memory = spill_memory(spill), .size = spill_size(spill)};
    if (!lines->memory && lines->size > 0) {
        lines->window = malloc(LINES_WINDOW);
        if (!lines->window)
            return -ENOMEM;
    }
    return 0;
}

void lines_close(struct lines *lines)
{
    free(lines->window);
    lines->window = NULL;
}

/* Moves the window so that it begins with the next line. */
static int fill(struct lines *lines)
{
    size_t skip = (size_t)(lines->offset - lines->window_offset);
    memmove(lines->window, lines->window + skip, lines->window_size - skip);
    lines->window_offset = lines->offset;
    lines->window_size -= skip;
    while (lines->window_size < LINES_WINDOW) {
        uint64_t at = lines->window_offset + lines->window_size;
        ssize_t got = spill_read(lines->spill, at, lines->window + lines->window_size,
                                 LINES_WINDOW - lines->window_size);
        if (got < 0)
            return (int)got;
        if (got == 0)
            return at < lines->size ? -EIO : 0; /* a file that has shrunk */
        lines->window_size += (size_t)got;
    }
    return 0;
}

/* What is at hand from the next line on, and its line end there, if any. */
static const char *at_hand(const struct lines *lines, size_t *size, const char **newline)
{
    const char *bytes = lines->memory;
    if (bytes) {
        bytes += lines->offset;
        *size = (size_t)(lines->size - lines->offset);
    } else {
        bytes = lines->window + (lines->offset - lines->window_offset);
        *size = (size_t)(lines->window_offset + lines->window_size - lines->offset);
    }
    *newline = *size ? memchr(bytes, '\n', *size) : NULL;
    return bytes;
}

void lines_seek(struct lines *lines, uint64_t offset)
{
    if (!lines->memory &&
        (offset < lines->window_offset || offset > lines->window_offset + lines->window_size)) {
        lines->window_offset = offset;
        lines->window_size = 0;
    }
    lines->offset = offset;
    lines->inside = false;
}

int lines_next(struct lines *lines, struct line *line)
{
    if (lines->offset >= lines->size)
        return 0;
    const char *newline;
    line->bytes = at_hand(lines, &line->size, &newline);
    if (!newline && !lines->memory && lines->window_offset + lines->window_size < lines->size) {
        int status = fill(lines);
        if (status < 0)
            return status;
        line->bytes = at_hand(lines, &line->size, &newline);
    }
    if (newline)
        line->size = (size_t)(newline - line->bytes) + 1;
    line->offset = lines->offset;
    line->begins = !lines->inside;
    line->end_size = 0;
    if (newline) {
        char before = line->size > 1 ? newline[-1] : line->begins ? 0 : lines->last;
        line->end_size = before == '\r' ? 2 : 1;
    }
    lines->inside = !newline;
    lines->last = line->bytes[line->size - 1];
    lines->offset += line->size;
    return 1;
}
