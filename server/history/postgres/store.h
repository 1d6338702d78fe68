/*
 * store.h - what the files of the history in PostgreSQL share: segments (segment.h) in tables of the database that the
 * nodes share, with a partition a day.
 *
 * They stand in a schema of their own. Partitions are UNLOGGED: nothing of the history goes to the write-ahead log or
 * to a standby, and after a crash of the database, or its failover, the history is empty. A day is dropped as a whole.
 *
 * A segment's row is drawn from a sequence in steps of SEGMENT_MESSAGES as it is written, so rows of all nodes are in
 * the order of their batches; a message's row is its segment's and its place there. Small segments are not merged.
 *
 * So that the database can throw away segments that cannot have what is looked for without sending their terms:
 * keys     the hashes of a segment's terms that are looked for by, each once, of 4 bytes. They do not change
 * marks    ",accepted,,delivered,,200,": the results, the states and statuses of deliveries that there are
 * Both are NULL in a row of an older version. When one changes the terms, a trigger makes the marks NULL, since they
 * hold no longer; a version that knows of them sets them after that.
 */
#ifndef MXHOOK_HISTORY_POSTGRES_STORE_H
#define MXHOOK_HISTORY_POSTGRES_STORE_H

#include "../../spool/postgres/pg.h"
#include "../../spool/postgres/values.h"
#include "../filter.h"
#include "../ops.h"

#define SCHEMA "mxhook_history" /* another layout will have another one */
#define TABLES SCHEMA "."
/* Sequences and catalogues are replicated all the same: a commit of ours waits for no standby. */
#define NO_WAIT "set_config('synchronous_commit', 'off', true)"
#define DAY_MS  86400000

struct pg_history { /* what is a struct history_store to others */
    struct pg pg;
    char *conninfo;
    int64_t day; /* whose partitions are there; 0: not known */
    char error[PG_ERROR_SIZE + 20];
};

/* run.c. Connects where there is no connection. 0 or a negative errno, noted. */
int history_pg_connect(struct pg_history *store);
/* pg_end(), its error noted. */
int history_pg_end(struct pg_history *store,
                   void (*each)(void *context, int number, PGresult *result), void *context);
/* A statement without values, as a batch of its own. */
int history_pg_run(struct pg_history *store, const char *sql,
                   void (*each)(void *context, int number, PGresult *result), void *context);
int64_t history_pg_int8(const PGresult *result, int row, int column); /* of a binary result */

/* Those named as a function of history_ops are that one, as ops.h says; the others: 0 or a negative errno, noted.
 *
 * tables.c: are the tables there? And makes them. */
int history_pg_has_tables(struct pg_history *store, bool *there);
int history_pg_make_tables(struct pg_history *store);
/* Those and the partitions of a day. */
int history_pg_make_day(struct pg_history *store, int64_t day);
int history_pg_tidy(struct history_store *store, int64_t keep_ms, uint64_t max_size, bool *more);
int history_pg_size(struct history_store *store, struct history_size *size);

/* write.c */
int history_pg_write(struct history_store *store, struct history_message *messages,
                     struct history_attempt *attempts);

/* late.c */
struct late_changes;
/* Finds the messages of the attempts that none in their batch has, and what changes in their segments: *out (NULL:
 * nothing), freed by history_pg_free_late(), which takes NULL. 0 or a negative errno. */
int history_pg_find_late(struct pg_history *store, struct history_attempt *attempts,
                         struct late_changes **out);
void history_pg_free_late(struct late_changes *changes);
/* Adds that, and the attempts, to the batch; `bodies` has a row for each attempt, 0 for none. */
int history_pg_add_late(struct pg_history *store, const struct history_attempt *attempts,
                        struct late_changes *changes, const int64_t *bodies);

/* marks.c. Of a segment's terms: 0 or -ENOMEM; marks, a text, also -EBADMSG. */
int history_pg_keys(const struct packed *terms, struct packed *out);
int history_pg_marks(const struct packed *terms, struct packed *out);
/* Adds five values, each NULL where the filter has no such thing: a pattern of the marks, the keys of sender, recipient
 * and destination, and the subject. */
void history_pg_needles(struct values *values, const struct filter_terms *filter);

/* read.c */
int history_pg_list(struct history_store *store, const struct history_filter *filter,
                    int (*each)(void *context, const struct history_message *message),
                    void *context);
int history_pg_attempts(struct history_store *store, const struct history_message *message,
                        unsigned delivery,
                        int (*each)(void *context, const struct history_attempt *attempt),
                        void *context);
int history_pg_answers(struct history_store *store, uint64_t origin,
                       struct history_answers *answers);
int history_pg_body(struct history_store *store, int64_t body, struct spill **out);

#endif
