#include "address.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../base/ascii.h"
#include "address_scan.h"
#include "charset.h"
#include "words.h"

#define ANGLE_MAX 1000u /* bytes between < and >; a < with more behind it is left out */

/* What `(` at `at` closes with; NULL: nothing. */
static const char *comment_end(struct address_scan *scan, const char *at)
{
    unsigned depth = 0;
    for (const char *c = at; !scan->no_comments && c < scan->end; c++) {
        if (*c == '\\' && scan->end - c > 1)
            c++;
        else if (*c == '(')
            depth++;
        else if (*c == ')' && --depth == 0)
            return c;
    }
    scan->no_comments = true;
    return NULL;
}

static const char *quote_end(const struct address_scan *scan, const char *at)
{
    for (const char *c = at + 1; c < scan->last_quote; c++) {
        const char *word = scan->decoded ? NULL : words_skip(c, scan->end, scan->last_word);
        if (word)
            c = word - 1;
        else if (*c == '\\' && scan->end - c > 1)
            c++;
        else if (*c == '"')
            return c;
    }
    return NULL;
}

/* The > that closes the < before `at`; where there is none, but the entry ends, that: *closed is false
 * then. NULL where another < comes first: "<Bob <b@x>>". */
static const char *angle_end(const struct address_scan *scan, const char *at, bool *closed)
{
    size_t near = (size_t)(scan->end - at) < ANGLE_MAX ? (size_t)(scan->end - at) : ANGLE_MAX;
    const char *stop = NULL, *close = NULL;
    bool quoted = false;
    const char *c = at;
    for (; c < at + near && *c != '<'; c++) {
        if (quoted && *c == '\\' && c + 1 < at + near)
            c++;
        else if (*c == '"')
            quoted = !quoted;
        else if (*c == '>' && !quoted)
            break;
        else if (*c == '>' && !close)
            close = c; /* of quotes that are never closed */
        else if (!stop && (*c == ',' || *c == ';'))
            stop = c;
    }
    *closed = (c < at + near && *c == '>') || close;
    if (*closed)
        return c < at + near && *c == '>' ? c : close;
    if (c < at + near)
        return NULL;
    return stop ? stop : c == scan->end ? c : NULL;
}

/* Text inside quotes or a comment, without its backslashes and line ends. */
static int append_inside(struct buffer *to, const char *at, const char *end)
{
    int status = 0;
    for (; at < end && status == 0; at++) {
        if (*at == '\\' && end - at > 1)
            at++;
        if (*at != '\r' && *at != '\n')
            status = buffer_append_byte(to, *at);
    }
    return status;
}

/* A letter of the phrase; blanks in a row are one. */
static int append_plain(struct address_scan *scan, char c)
{
    struct buffer *phrase = &scan->phrase;
    char kept = is_space(c) ? ' ' : c;
    scan->at_sign = scan->at_sign || c == '@';
    int status = 0;
    if (kept != ' ' || (phrase->size > 0 && phrase->bytes[phrase->size - 1] != ' '))
        status = buffer_append_byte(phrase, kept);
    return status == 0 ? buffer_append_byte(&scan->bare, kept) : status;
}

static int append_both(struct address_scan *scan, const char *at, const char *end)
{
    int status = buffer_append(&scan->phrase, at, (size_t)(end - at));
    return status == 0 ? buffer_append(&scan->bare, at, (size_t)(end - at)) : status;
}

/* A colon ends a group's name where the group has an end, or nothing in it. */
static bool ends_group_name(const struct address_scan *scan, const char *colon)
{
    const char *next = colon + 1;
    while (next < scan->end && is_space(*next))
        next++;
    return !scan->at_sign && !scan->angles &&
           (colon < scan->last_semicolon || next == scan->end || *next == ',');
}

/* Reads what begins at `at`; where it ends is returned, or NULL for -ENOMEM. */
static const char *read_quoted(struct address_scan *scan, const char *at)
{
    const char *end = scan->no_quotes ? NULL : quote_end(scan, at);
    scan->no_quotes = !end;
    if (!end)
        return append_plain(scan, ' ') == 0 ? at + 1 : NULL;
    if (append_inside(&scan->phrase, at + 1, end) != 0 ||
        buffer_append(&scan->bare, at, (size_t)(end + 1 - at)) != 0)
        return NULL;
    return end + 1;
}

static const char *read_comment(struct address_scan *scan, const char *at)
{
    const char *end = comment_end(scan, at);
    if (!end)
        return append_plain(scan, *at) == 0 ? at + 1 : NULL;
    int status = scan->comment.size ? buffer_append_byte(&scan->comment, ' ') : 0;
    if (status == 0)
        status = append_inside(&scan->comment, at + 1, end);
    return status == 0 && append_plain(scan, ' ') == 0 ? end + 1 : NULL;
}

static const char *read_angle(struct address_scan *scan, const char *at)
{
    bool closed;
    const char *end = angle_end(scan, at + 1, &closed);
    if (!end)
        return append_plain(scan, ' ') == 0 ? at + 1 : NULL;
    if (address_add_angle(scan, at + 1, (size_t)(end - at - 1)) != 0)
        return NULL;
    while (closed && end < scan->end && *end == '>') /* "<<a@b>>" */
        end++;
    return end;
}

static const char *read_separator(struct address_scan *scan, const char *at)
{
    if (*at == ':' && ends_group_name(scan, at)) {
        scan->phrase.size = scan->bare.size = scan->comment.size = scan->before.size = 0;
        return at + 1;
    }
    if (*at == ':')
        return append_plain(scan, ':') == 0 ? at + 1 : NULL;
    int status = address_name_behind(scan);
    if (status == 0)
        status = address_end_entry(scan);
    if (status == 0 && *at == ';')
        status = address_flush(scan);
    return status == 0 ? at + 1 : NULL;
}

static const char *read_next(struct address_scan *scan, const char *at)
{
    const char *word = scan->decoded ? NULL : words_skip(at, scan->end, scan->last_word);
    if (word)
        return append_both(scan, at, word) == 0 ? word : NULL;
    switch (*at) {
    case '"': return read_quoted(scan, at);
    case '(': return read_comment(scan, at);
    case '<': return read_angle(scan, at);
    case ',':
    case ';':
    case ':': return read_separator(scan, at);
    case '[':
        if (scan->bare.size > 0 && scan->bare.bytes[scan->bare.size - 1] == '@') {
            const char *close = memchr(at, ']', (size_t)(scan->end - at)); /* an IP address */
            if (close && close - at < 64)
                return append_both(scan, at, close + 1) == 0 ? close + 1 : NULL;
        }
        break;
    default: break;
    }
    return append_plain(scan, *at) == 0 ? at + 1 : NULL;
}

static const char *past_last(const struct address_scan *scan, char c)
{
    const char *last = memrchr(scan->text, c, (size_t)(scan->end - scan->text));
    return last ? last + 1 : scan->text;
}

static int read_text(struct address_scan *scan)
{
    scan->last_quote = past_last(scan, '"');
    scan->last_semicolon = past_last(scan, ';');
    scan->last_word = words_end(scan->text, scan->end);
    const char *at = scan->text;
    while (at && at < scan->end && scan->reader->count < ADDRESSES_MAX)
        at = read_next(scan, at);
    int status = at ? address_name_behind(scan) : -ENOMEM;
    if (status == 0)
        status = address_end_entry(scan);
    if (status == 0)
        status = address_flush(scan);
    buffer_free(&scan->phrase);
    buffer_free(&scan->bare);
    buffer_free(&scan->comment);
    buffer_free(&scan->before);
    return status;
}

int address_read(struct address_reader *reader, struct arena *arena, const char *raw, size_t size)
{
    struct address_scan scan = {.reader = reader,
                                .arena = arena,
                                .text = raw,
                                .end = raw + size,
                                .read = read_text,
                                .charset = charset_guess(raw, size)};
    return size > 0 ? read_text(&scan) : 0;
}
