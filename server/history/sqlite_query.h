/*
 * sqlite_query.h - for sqlite_list.c: a filter as SQL.
 *
 * With a million rows a page must take moments whatever the filter. So one filter leads: the one whose index gives
 * few rows, in the order of their messages; the others are looked up for each row that it gives. A query that
 * takes too long all the same is ended.
 */
#ifndef MXHOOK_HISTORY_SQLITE_QUERY_H
#define MXHOOK_HISTORY_SQLITE_QUERY_H

#include "sqlite.h"

#define QUERY_PARAMETERS 16

struct history_query {
    struct history_store *store;
    const struct history_filter *filter;
    char from[256], where[2048];
    const char *order; /* the column that is the message's row */
    struct {
        char *text; /* NULL: the number */
        int64_t number;
    } parameters[QUERY_PARAMETERS];
    int count;
    const char *sender;             /* the column */
    bool by_recipient, by_delivery; /* which filter leads, or none of them */
    bool nothing;                   /* no row can match */
    int code;
};

/* Builds `from`, `where`, `order` and the parameters, whose texts the caller frees, from the store and the filter, the
 * rest being all zero. See `code` and `nothing` then. */
void history_query_build(struct history_query *query);

#endif
