/*
 * store.h - deliveries as rows: what the spool's thread and `mxhook queue` need of a database.
 *
 * SQLite stands behind it (sqlite.c opens and commits, sqlite_write.c and sqlite_read.c hold the
 * statements, schema.c the tables). To add a column: schema.c's next version, a bind in
 * sqlite_write.c, a read in sqlite_read.c.
 *
 * Blocking; one thread at a time. Functions return 0 or a negative errno: -ENOSPC disk full, -EBUSY
 * another process writes for longer than the timeout, -EIO, -EROFS, -ENOMEM, -EBADMSG corrupt.
 */
#ifndef MXHOOK_SPOOL_STORE_H
#define MXHOOK_SPOOL_STORE_H

#include "queue.h"

struct store;

enum store_mode {
    STORE_SERVE,   /* made where there is none; schema brought up to date; the caller holds the lock
                    */
    STORE_SALVAGE, /* must be there, and is only read, whatever can be: perhaps damaged */
    STORE_VISIT, /* must be there, with this version's schema; read-only where it cannot be written
                  */
};

int store_open(const char *directory, enum store_mode mode, struct store **out, struct error *err);
void store_close(struct store *store);               /* takes NULL */
const char *store_bodies(const struct store *store); /* the folder of the files */
const char *store_error(const struct store *store);  /* what failed last, for the log */

/* A transaction. Within it a mark can be set, and all since be undone. store_commit() also removes
 * the files of what was removed. Where SQLite itself has ended a transaction because of an error,
 * store_broken() says so, and only store_undo() remains. */
int store_begin(struct store *store);
int store_commit(struct store *store);
void store_undo(struct store *store);
int store_mark(struct store *store);
int store_unmark(struct store *store, bool keep);
bool store_broken(const struct store *store);

/* Inserts a commit's deliveries and what they share; sets their `stored`. Within a transaction. */
int store_insert(struct store *store, struct delivery *deliveries);
/* Removes a delivery, its attempts (`attempted`: there may be some), and its payload and tail if it
 * was their last. Within a transaction. 0 also
 * where it is gone already. */
int store_remove(struct store *store, int64_t row, int64_t payload_row, bool attempted);
/* Keeps its last attempt, and writes its state (waiting until due_ms, or failed), unless `mxhook
 * queue` has set it anew or removed it meanwhile: then *changed is false. Within a transaction. */
int store_update(struct store *store, const struct delivery *delivery, bool failed, bool *changed);
/* Marks one as failed of which no more than the row is known. Within a transaction. */
int store_fail(struct store *store, int64_t row, const char *reason);
/* Due now, with all attempts before it. Within a transaction. */
int store_reset(struct store *store, int64_t row, int64_t now_ms);

/* Notes that an origin is held back, or no longer. Within a transaction. */
int store_hold(struct store *store, uint64_t origin, const struct held *held);
int store_forget_holds(struct store *store); /* those of a process that is gone */

/* Calls `each` for an origin's waiting deliveries in the order they are due, until it returns
 * false. */
int store_walk_due(struct store *store, uint64_t origin,
                   bool (*each)(void *context, int64_t row, int64_t due_ms), void *context);
/* Calls `each` once for every origin that has waiting deliveries, with its earliest due time. */
int store_walk_origins(struct store *store,
                       void (*each)(void *context, uint64_t origin, int64_t due_ms), void *context);
/* Reads one; with its payload, which `previous` (or NULL) may share. -ENOENT; -EBADMSG or another
 * where the payload cannot be had: then *reason says why. */
int store_load(struct store *store, int64_t row, const struct delivery *previous,
               struct delivery **out, const char **reason);
/* store_load()'s two halves: the delivery without what it carries, then that. */
int store_load_row(struct store *store, int64_t row, struct delivery **out);
int store_load_payload(struct store *store, struct delivery *delivery, const char **reason);
/* The first row of a table past `after`; -ENOENT. Reads no more pages than it must. */
enum store_table { TABLE_DELIVERY, TABLE_PAYLOAD };
int store_next(struct store *store, enum store_table table, int64_t after, int64_t *row);
/* The row of an id; -ENOENT. */
int store_find(struct store *store, const char *id, int64_t *row, int64_t *payload_row);
/* queue_list(), queue_attempts(), queue_origins() */
int store_list(struct store *store, const struct queue_filter *filter,
               int (*each)(void *context, const struct delivery *delivery), void *context);
int store_attempts(struct store *store, int64_t row,
                   int (*each)(void *context, const struct queue_attempt *attempt), void *context);
int store_origins(struct store *store,
                  int (*each)(void *context, const struct queue_origin *origin), void *context);
/* Up to `size` of what the filter finds past the row `after`, in order; returns how many. */
struct store_row {
    int64_t row, payload_row;
    char id[ID_SIZE]; /* store_page_aged() only */
};
int store_page(struct store *store, const struct queue_filter *filter, int64_t after,
               struct store_row *rows, int size);
/* The same for those that failed and were accepted before. */
int store_page_failed(struct store *store, int64_t before_ms, struct store_row *rows, int size);
/* The same for those that wait and were accepted before `before_ms`: past the row `after`; of those
 * that have not been attempted only what is due before `due_ms`. It ends at the first that is
 * younger, since rows stand in the order of acceptance. */
struct store_age {
    int64_t after, now_ms, before_ms, due_ms;
};
int store_page_aged(struct store *store, const struct store_age *age, struct store_row *rows,
                    int size);
/* When the last one was accepted; 0: there is none. */
int store_newest(struct store *store, int64_t *created_ms);
/* Sets back what waits and is due after `now_ms`, by `by_ms`; none was accepted after now then. Of
 * up to `size` rows past `after_row`, which becomes the last of them. Returns how many. Within a
 * transaction. */
struct store_setback {
    int64_t by_ms, now_ms, after_row;
    int size;
};
int store_set_back(struct store *store, struct store_setback *setback);
/* Bytes of the database: those in use, and those of free pages, that will be used again. */
int store_used(struct store *store, uint64_t *used, uint64_t *unused);
/* Gives free pages back to the file system, where at least so many bytes are unused and no more
 * than `used_max` must be copied for it. Outside a transaction. */
int store_shrink(struct store *store, uint64_t used_max, uint64_t unused_min);
/* Does any delivery need this file of the bodies folder, or may it? */
int store_has_file(struct store *store, const char *name, bool *has);
/* A number that is another one after another process wrote. */
int store_version(struct store *store, int64_t *version);

#endif
