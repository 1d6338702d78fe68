/*
 * columns.h - the fields of a destination as a store's columns. Any thread.
 *
 * To add one: a row in config/destination_fields.c, its column here, at the same place, and in the schemas of both
 * stores.
 */
#ifndef MXHOOK_SPOOL_COLUMNS_H
#define MXHOOK_SPOOL_COLUMNS_H

#include "../base/arena.h"
#include "../config/destination_fields.h"

/* In the order of destination_fields; `of` is "", or the table's name and a dot. */
#define DESTINATION_COLUMNS(of)                                                                    \
    of "url, " of "secret, " of "headers, " of "timeout_ms, " of "attempts_max, " of               \
       "schedule, " of "rate, " of "max_in_flight, " of "max_body, " of "ca_file, " of             \
       "client_cert, " of "client_key"

/* What is not set is NULL in the columns of texts, and 0 in the others. */
enum column_kind { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_REAL };

struct column {
    enum column_kind kind;
    const char *text; /* NULL: none */
    int64_t number;
    double real;
    char *owned; /* column_release() frees it */
};

/* Which columns the field has. */
enum column_kind column_kind(const struct destination_field *field);
/* The field's value; the text stays the destination's, or the column's. 0 or -ENOMEM. */
int column_from(const struct destination *from, const struct destination_field *field,
                struct column *column);
void column_release(struct column *column); /* frees what column_from() made for it */
/* The way back: sets the field; texts are copied into the arena. 0 or -ENOMEM. */
int column_to(struct arena *arena, const struct column *column,
              const struct destination_field *field, struct destination *to);

#endif
