/*
 * postgres_query.h - for postgres.c: a connection that only reads, and whose every wait has an end.
 *
 * The connection is made when it is first needed, and again a second after it was lost. A server that only
 * reads (a standby) will do. No session state is needed, so a pooler may stand between. The thread that owns it.
 */
#ifndef MXHOOK_SOURCES_POSTGRES_QUERY_H
#define MXHOOK_SOURCES_POSTGRES_QUERY_H

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../config/config.h"
#include "names.h"

#define QUERY_MAX 1000 /* addresses of one */

struct flight;

struct reader {
    const struct lookup_config *options;
    atomic_bool *closing;  /* set by another thread: every wait ends soon */
    PGconn *connection;    /* NULL: none */
    bool in_scan;          /* a transaction with a cursor is open */
    int64_t not_before_ms; /* monotonic: when it may be connected to again */
    uint64_t queries;      /* sent so far */
};

/* Asks for these, at most QUERY_MAX; sets the answer of each. False: nobody has answered, and all are NULL. */
bool reader_ask(struct reader *reader, struct flight *const *flights, size_t count);

/* All addresses of the table, in steps, between which others may be asked for: begins; adds the next ones to
 * `names`, *more: there may be more. False: it has failed, and is over. */
bool reader_scan_begin(struct reader *reader);
bool reader_scan_next(struct reader *reader, struct names *names, bool *more);

/* Closes the connection, where there is one; what is owed to others is not the reader's. */
void reader_close(struct reader *reader);

#endif
