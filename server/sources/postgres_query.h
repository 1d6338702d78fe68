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
    int64_t not_before_ms; /* monotonic: when it may be connected to again */
};

/* Asks for these, at most QUERY_MAX; sets the answer of each. False: nobody has answered, and all are NULL. */
bool reader_ask(struct reader *reader, struct flight *const *flights, size_t count);

enum names_read {
    NAMES_FAILED,
    NAMES_SAME, /* the table has the addresses that it had at that digest */
    NAMES_READ, /* *names has them, and *digest is theirs */
};

/* Which addresses the table has a database counts and sums up (a digest) in a third of the time that it takes to send
 * them. */
struct names_digest {
    char text[80]; /* "": none */
};

/* Adds all addresses of the table to `names`, where it has others than at *digest; in one transaction, within the
 * source's timeout; about `rows` are expected. Memory does not grow with the table but by `names`. A connection is for
 * this, or for reader_ask(). */
enum names_read reader_read_names(struct reader *reader, struct names_digest *digest, size_t rows,
                                  struct names *names);

/* Closes the connection, where there is one; what is owed to others is not the reader's. */
void reader_close(struct reader *reader);

#endif
