/*
 * values.h - values for a statement: numbers, texts and bytes, alone or as columns of an array that
 * the statement unnests; in PostgreSQL's binary form. Texts and bytes are copied.
 *
 * An allocation that fails is remembered, and values_send() then says so. One thread.
 */
#ifndef MXHOOK_SPOOL_VALUES_H
#define MXHOOK_SPOOL_VALUES_H

#include <stddef.h>

#include "pg.h"

#define VALUES_SIZE 32

enum param_kind { PARAM_INT8, PARAM_INT4, PARAM_FLOAT8, PARAM_TEXT, PARAM_BYTES };

struct param {
    enum param_kind kind;
    bool is_array;
    char *bytes;
    size_t size, capacity;
    int count; /* items of an array */
};

struct values { /* all zero is an empty one */
    struct param list[VALUES_SIZE];
    int count;
    bool failed;
};

/* A column, to which items are added; its number. */
int values_array(struct values *params, enum param_kind kind);
void values_columns(struct values *params, const enum param_kind *kinds, size_t count);
/* The next value, alone. */
void values_number(struct values *params, enum param_kind kind, int64_t number);
void values_text(struct values *params, const char *text);                /* NULL is NULL */
void values_bytes(struct values *params, const void *bytes, size_t size); /* as well */

/* An item of a column. */
void values_add_number(struct values *params, int column, int64_t number);
void values_add_real(struct values *params, int column, double real);
void values_add_text(struct values *params, int column, const char *text); /* NULL is NULL */
void values_add_bytes(struct values *params, int column, const void *bytes, size_t size);
void values_add_null(struct values *params, int column);

/* A number that was added to a column that holds numbers of PARAM_INT8 alone. */
int64_t values_item(const struct values *params, int column, int item);

/* Adds the statement to the batch. Frees the values, and leaves an empty one. -ENOMEM: it was not
 * added. */
int values_send(struct values *params, struct pg *pg, const char *sql, bool binary_result);
void values_free(struct values *params);

#endif
