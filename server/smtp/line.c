#include "line.h"

#include <string.h>

void line_init(struct line_reader *line)
{
    line->size = 0;
    line->cr = line->reported = false;
    line->swallowing = false;
    line->bytes[0] = 0;
}

/* To the CRLF, or to a bare LF: what that ends is told of as well, where it is not yet. */
static enum line_result swallow(struct line_reader *line, const char *bytes, size_t size,
                                size_t *used)
{
    const char *lf = memchr(bytes, '\n', size);
    *used = lf ? (size_t)(lf - bytes) + 1 : size;
    bool cr = *used > (lf ? 1u : 0u) ? bytes[*used - (lf ? 2 : 1)] == '\r' : line->cr;
    if (!lf) {
        line->cr = cr;
        return LINE_MORE;
    }
    bool reported = line->reported;
    line_init(line);
    line->swallowing = !cr;
    return reported ? LINE_MORE : LINE_BARE_LF;
}

static enum line_result take_byte(struct line_reader *line, char c)
{
    if (c == '\n')
        return line->cr ? LINE_COMPLETE : LINE_BARE_LF;
    if (line->cr)
        return LINE_BARE_CR;
    if (c == '\r') {
        line->cr = true;
        return LINE_MORE;
    }
    if (c == 0)
        return LINE_NUL;
    if (line->size == sizeof line->bytes - 1)
        return LINE_TOO_LONG;
    line->bytes[line->size++] = c;
    return LINE_MORE;
}

/* After a fault nothing is kept, up to the CRLF. */
static void end_line(struct line_reader *line, enum line_result result, char last)
{
    line->bytes[line->size] = 0;
    line->size = 0;
    line->cr = result != LINE_COMPLETE && last == '\r';
    line->swallowing = result != LINE_COMPLETE;
    line->reported = result != LINE_BARE_LF && result != LINE_COMPLETE;
}

enum line_result line_take(struct line_reader *line, const char *bytes, size_t size, size_t *used)
{
    size_t at = 0;
    enum line_result result = LINE_MORE;
    while (at < size && result == LINE_MORE) {
        size_t swallowed;
        if (line->swallowing) {
            result = swallow(line, bytes + at, size - at, &swallowed);
            at += swallowed;
        } else {
            result = take_byte(line, bytes[at++]);
            if (result != LINE_MORE)
                end_line(line, result, bytes[at - 1]);
        }
    }
    *used = at;
    return result;
}
