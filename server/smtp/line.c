#include "line.h"

#include <string.h>

void line_init(struct line *line)
{
    line->size = 0;
    line->cr = line->swallowing = false;
    line->bytes[0] = 0;
}

/* Returns how many bytes belong to the faulty line. */
static size_t swallow(struct line *line, const char *bytes, size_t size)
{
    size_t at = 0;
    const char *lf;
    while ((lf = memchr(bytes + at, '\n', size - at))) {
        at = (size_t)(lf - bytes);
        bool cr = at > 0 ? bytes[at - 1] == '\r' : line->cr;
        at++;
        if (cr) {
            line_init(line);
            return at;
        }
    }
    if (size > 0)
        line->cr = bytes[size - 1] == '\r';
    return size;
}

static enum line_result take_byte(struct line *line, char c)
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

enum line_result line_take(struct line *line, const char *bytes, size_t size, size_t *used)
{
    size_t at = line->swallowing ? swallow(line, bytes, size) : 0;
    enum line_result result = LINE_MORE;
    while (at < size && result == LINE_MORE)
        result = take_byte(line, bytes[at++]);
    if (result == LINE_COMPLETE) {
        line->bytes[line->size] = 0;
        line->size = 0;
        line->cr = false;
    } else if (result != LINE_MORE) {
        line->swallowing = true;
        line->cr = bytes[at - 1] == '\r';
    }
    *used = at;
    return result;
}
