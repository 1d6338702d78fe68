/*
 * pg.h - a connection to PostgreSQL whose every wait has an end.
 *
 * batch        statements that are sent together and end with one Sync: one round trip and, where no
 *              transaction was begun before, one transaction. All of it is done, or none
 * unknown      a batch that may be done or not: the connection broke or the time was over before
 *              the answer came; or COMMIT came with a warning, as it does where the wait for the
 *              standby was cancelled. It is to be sent again, so it must do no harm to be done twice.
 *              (A trigger's warning cannot be told from that where its statement is the batch's last)
 *
 * libpq's own list of hosts is not used: its connect_timeout does not bind a connection that is
 * made asynchronously, and a host that is frozen would hide those after it. Each host is tried in
 * turn with a time limit of its own. Only one that takes writes is used, and none of an older
 * timeline than was seen before: a former primary that wakes still says that it takes writes.
 *
 * One thread at a time. Texts are bytes for us: the connection says LATIN1, so that any byte comes
 * back as it went, whatever the database's encoding. No session state is needed, so a pooler may
 * stand between.
 */
#ifndef MXHOOK_SPOOL_PG_H
#define MXHOOK_SPOOL_PG_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../base/error.h"

#define PG_HOST_MS    2000 /* for one host to take a connection, and say what it is */
#define PG_ANSWER_MS  5000 /* for the answer to a batch of ours */
#define PG_ERROR_SIZE 400  /* what several hosts say among it */

struct pg {
    PGconn *connection;        /* NULL: none */
    const char *conninfo;      /* the configuration's */
    int statements;            /* of the batch */
    int ended;                 /* of these, whose results were taken */
    bool warned;               /* perhaps by COMMIT: ... */
    char warning[200];         /* ... of this */
    uint32_t timeline;         /* of the server, when it was connected to */
    char state[6];             /* SQLSTATE of the last error; "" where there was none */
    char error[PG_ERROR_SIZE]; /* what went wrong last, for the log */
    bool unanswered;           /* a batch was sent whose end has not come: pg_drain() */
};

/* Connects to the first host that will do. 0; -EAGAIN: none will for now; -EINVAL: it is wrong, and
 * will be later: conninfo, password, an old server. See pg->error. */
int pg_open(struct pg *pg);
void pg_close(struct pg *pg);

/* Statements of a batch. While an earlier one that timed out is unanswered nothing is sent, and
 * pg_end() says -EAGAIN. `values` in binary (values.h); results in text, or in binary. An error
 * stands in pg->error and comes out at pg_end(). */
void pg_begin(struct pg *pg);
void pg_add(struct pg *pg, const char *sql, int count, const char *const *values,
            const int *lengths, const unsigned *types, bool binary_result);

/* Ends the batch, and hands each statement's result to `each` (or NULL) by its number in the batch.
 * 0: all of it is done. -EINPROGRESS: unknown. -EDEADLK: not done, to be sent again as it is.
 * -EAGAIN: not done, the connection is gone or is of no use. -ENOSPC. -EINVAL: not done, the server
 * says that something is wrong with it (pg->state, pg->error). */
int pg_end(struct pg *pg, int timeout_ms, void (*each)(void *context, int number, PGresult *result),
           void *context);

/* An `each`, of one statement: *(int *)context becomes how many rows it changed. */
void pg_count(void *context, int number, PGresult *result);

/* Of what pg_end() says: worth another try. */
bool pg_is_passing(int code);

/* After -EINVAL: a right, a table or a column is missing, so it is as well with all else that is sent. */
bool pg_is_unfit(const struct pg *pg);

/* Looks, without waiting, whether a batch that timed out has been answered. True: the connection
 * may be used again, or is gone. */
bool pg_drain(struct pg *pg);

/* A newer primary than the one that this connection is to was seen since, by any thread. */
bool pg_is_outdated(const struct pg *pg);

int64_t pg_number(const PGresult *result, int row, int column); /* of text; 0 for NULL */

#endif
