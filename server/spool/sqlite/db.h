/*
 * db.h - deliveries as rows: what the store's other files need of SQLite.
 *
 * db.c holds the statements and commits, db_open.c opens, db_write.c and db_read.c write and read
 * rows, db_walk.c goes through many, schema.c has the tables. To add a column: schema.c's next
 * version, a bind in db_write.c, a read in db_read.c; of a destination's, see ../columns.h.
 *
 * Blocking; one thread at a time. Functions return 0 or a negative errno: -ENOSPC disk full, -EBUSY
 * another process writes for longer than the timeout, -EIO, -EROFS, -ENOMEM, -EBADMSG corrupt.
 */
#ifndef MXHOOK_SPOOL_DB_H
#define MXHOOK_SPOOL_DB_H

#include "../store.h"

struct db;

enum db_mode {
    DB_SERVE,   /* made where there is none; schema brought up to date; the caller has the lock */
    DB_SALVAGE, /* must be there, and is only read, whatever can be: perhaps damaged */
    DB_VISIT,   /* must be there, of this version; read-only where it cannot be written */
};

int db_open(const char *directory, enum db_mode mode, struct db **out, struct error *err);
void db_close(struct db *db);               /* takes NULL */
const char *db_bodies(const struct db *db); /* the folder of the files */
const char *db_error(const struct db *db);  /* what failed last, for the log */

/* A transaction. Within it a mark can be set, and all since be undone. db_commit() also removes
 * the files of what was removed. Where SQLite itself has ended a transaction because of an error,
 * db_broken() says so, and only db_undo() remains. */
int db_begin(struct db *db);
int db_commit(struct db *db);
void db_undo(struct db *db);
int db_mark(struct db *db);
int db_unmark(struct db *db, bool keep);
bool db_broken(const struct db *db);

/* Inserts a commit's deliveries and what they share; sets their `stored`. Within a transaction. */
int db_insert(struct db *db, struct delivery *deliveries);
/* Removes a delivery, its attempts (`attempted`: there may be some), and its payload and tail if it
 * was their last. Within a transaction. 0 also where it is gone already. */
int db_remove(struct db *db, int64_t row, int64_t payload_row, bool attempted);
/* The same of one whose payload is no other's, has no tail and no file: the payload's row is its
 * own, and is not looked at. */
int db_remove_alone(struct db *db, int64_t row, bool attempted);
/* Keeps its last attempt, and writes its state (waiting until due_ms, or failed), unless `mxhook
 * queue` has set it anew or removed it meanwhile: then *changed is false. Within a transaction. */
int db_update(struct db *db, const struct delivery *delivery, bool failed, bool *changed);
/* Marks one as failed of which no more than the row is known. Within a transaction. */
int db_fail(struct db *db, int64_t row, const char *reason);
/* Due now, with all attempts before it. Within a transaction. */
int db_reset(struct db *db, int64_t row, int64_t now_ms);

/* Notes that an origin or a lane is held back, or no longer. Within a transaction. */
int db_hold(struct db *db, const struct hold *hold);
int db_forget_holds(struct db *db); /* those of a process that is gone */
/* As store_ops says; the second within a transaction. */
int db_pauses(struct db *db, bool counted, struct pauses *pauses);
int db_pause(struct db *db, const struct pause *pause);

/* The origin's first lane past `after` (-1: the first of all) that has something waiting, leased or
 * not, and when its first is due. -ENOENT: none. */
int db_next_lane(struct db *db, uint64_t origin, int64_t after, int64_t *lane, int64_t *due_ms);
/* Calls `each` for a lane's waiting deliveries in the order they are due, until it returns false. */
int db_walk_due(struct db *db, uint64_t origin, uint64_t lane,
                bool (*each)(void *context, int64_t row, int64_t due_ms), void *context);
/* Calls `each` once for every origin that has waiting deliveries. */
int db_walk_origins(struct db *db, void (*each)(void *context, uint64_t origin), void *context);
/* Reads one; with its payload, which `previous` (or NULL) may share. -ENOENT; -EBADMSG or another
 * where the payload cannot be had: then *reason says why. */
int db_load(struct db *db, int64_t row, const struct delivery *previous, struct delivery **out,
            const char **reason);
/* db_load()'s two halves: the delivery without what it carries, then that. */
int db_load_row(struct db *db, int64_t row, struct delivery **out);
int db_load_payload(struct db *db, struct delivery *delivery, const char **reason);
/* The first row of a table past `after`; -ENOENT. Reads no more pages than it must. */
enum db_table { TABLE_DELIVERY, TABLE_PAYLOAD };
int db_next(struct db *db, enum db_table table, int64_t after, int64_t *row);
/* The row of an id; -ENOENT. */
int db_find(struct db *db, const char *id, int64_t *row, int64_t *payload_row);
/* queue_list(), queue_attempts(), queue_origins() */
int db_list(struct db *db, const struct queue_filter *filter,
            int (*each)(void *context, const struct delivery *delivery), void *context);
int db_attempts(struct db *db, int64_t row,
                int (*each)(void *context, const struct queue_attempt *attempt), void *context);
int db_count_failed(struct db *db, int64_t *count);
int db_origins(struct db *db, int (*each)(void *context, const struct queue_origin *origin),
               void *context);
/* Up to `size` of what the filter finds past the row `after`, in order; returns how many. */
struct db_row {
    int64_t row, payload_row;
    char id[ID_SIZE]; /* not of db_page_failed() */
};
int db_page(struct db *db, const struct queue_filter *filter, int64_t after, struct db_row *rows,
            int size);
/* The same for those that failed and were accepted before. */
int db_page_failed(struct db *db, int64_t before_ms, struct db_row *rows, int size);
/* The same for those that wait and were accepted before `before_ms`: past the row `after`; of those
 * that have not been attempted only what is due before `due_ms`. It ends at the first that is
 * younger, since rows stand in the order of acceptance. */
struct db_age {
    int64_t after, now_ms, before_ms, due_ms;
};
int db_page_aged(struct db *db, const struct db_age *age, struct db_row *rows, int size);
/* When the last one was accepted; 0: there is none. */
int db_newest(struct db *db, int64_t *created_ms);
/* Sets back what waits and is due after `now_ms`, by `by_ms`; none was accepted after now then. Of
 * up to `size` rows past `after_row`, which becomes the last of them. Returns how many. Within a
 * transaction. */
struct db_setback {
    int64_t by_ms, now_ms, after_row;
    int size;
};
int db_set_back(struct db *db, struct db_setback *setback);
/* Bytes of the database: those in use, and those of free pages, that will be used again. */
int db_used(struct db *db, uint64_t *used, uint64_t *unused);
/* Gives free pages back to the file system, where at least so many bytes are unused and no more
 * than `used_max` must be copied for it. Outside a transaction. */
int db_shrink(struct db *db, uint64_t used_max, uint64_t unused_min);
/* Does any delivery need this file of the bodies folder, or may it? */
int db_has_file(struct db *db, const char *name, bool *has);
/* A number that is another one after another process wrote. */
int db_version(struct db *db, int64_t *version);

#endif
