/*
 * fields.h - the lines of a header block as fields (RFC 5322 section 2.2), nothing decoded.
 *
 * A block ends before its first empty line, or before the first line that can be neither a field
 * nor the rest of one: what follows is body (as Postfix and Python take it).
 */
#ifndef MXHOOK_MAIL_FIELDS_H
#define MXHOOK_MAIL_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

enum field_line { LINE_EMPTY, LINE_FIELD, LINE_CONTINUATION, LINE_OTHER };

/* What a line is, judged by its beginning; with or without its line end. */
enum field_line field_line_kind(const char *line, size_t size);

struct field {
    const char *name; /* as it stood; not NUL-terminated */
    size_t name_size;
    const char
        *value; /* raw: folded, without white space around it and without the last line end */
    size_t value_size;
};

/* Reads the field at *at and moves *at to the next; false at the end of the block. */
bool field_next(const char *block, size_t size, size_t *at, struct field *field);

bool field_is(const struct field *field, const char *name); /* in any case */

#endif
