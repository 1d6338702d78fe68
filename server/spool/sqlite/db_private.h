/* db_private.h - what the db*.c files share, and nobody else sees. */
#ifndef MXHOOK_SPOOL_DB_PRIVATE_H
#define MXHOOK_SPOOL_DB_PRIVATE_H

#include <sqlite3.h>

#include "db.h"

#define DB_PAGE_SIZE 16384 /* holds two payloads of a small message: fewest bytes written */

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    MARK,
    MARK_KEEP,
    MARK_UNDO,
    INSERT_DELIVERY,
    INSERT_PAYLOAD,
    INSERT_TAIL,
    DELETE_DELIVERY,
    DELETE_PAYLOAD,
    DELETE_TAIL,
    DELETE_ATTEMPTS,
    INSERT_ATTEMPT,
    TRIM_ATTEMPTS,
    INSERT_HELD,
    DELETE_HELD,
    FORGET_HELD,
    UPDATE_DELIVERY,
    FAIL_DELIVERY,
    RESET_DELIVERY,
    PAYLOAD_USE,
    TAIL_USE,
    DUE,
    NEXT_LANE,
    NEXT_ORIGIN,
    LOAD_DELIVERY,
    LOAD_PAYLOAD,
    LOAD_TAIL,
    FIND,
    LIST,
    LIST_FAILED,
    ATTEMPTS,
    ORIGINS,
    COUNT_FAILED,
    PAGE,
    PAGE_OF_FAILED,
    PAGE_FAILED,
    PAGE_AGED,
    NEWEST,
    SET_BACK,
    PAGE_COUNT,
    NEXT_DELIVERY,
    NEXT_PAYLOAD,
    FREE_COUNT,
    HAS_FILE,
    EDIT,
    HOLDS,
    PROBE,
    PAUSES,
    PAUSES_COUNTED,
    PAUSE,
    RESUME,
    LAST_ROW,
    DATA_VERSION,
    STATEMENT_COUNT,
};

/* A file to remove once the transaction is committed. */
struct removal {
    struct removal *next; /* the one noted before */
    char name[];
};

struct db {
    sqlite3 *sqlite;
    char *bodies;
    sqlite3_stmt *statements[STATEMENT_COUNT]; /* prepared when first needed */
    int64_t next_row;    /* rows are numbered here: those of one commit follow each other */
    uint64_t insertions; /* counts db_insert() */
    struct removal *removals, *removals_at_mark;
    char error[256];
};

/* Brings the schema up to this version (DB_SERVE), or checks that it is; DB_SALVAGE reads older ones
 * as they are. */
int schema_prepare(sqlite3 *sqlite, enum db_mode mode, const char *directory, struct error *err);

/* The statement, reset and without bindings; NULL: see db->error. */
sqlite3_stmt *db_statement(struct db *db, enum statement which);
/* Notes the error of a step that ended with `rc`; returns it as a negative errno. */
int db_failed(struct db *db, int rc);
/* Forgets the files noted since `until`; removes them where the transaction was committed. */
void db_end_removals(struct db *db, struct removal *until, bool committed);
const char *db_column_text(sqlite3_stmt *s, int column); /* NULL also for want of memory */
/* Columns as DELIVERY_COLUMNS names them, the destination's from this one on. NULL: no memory. */
#define DELIVERY_DESTINATION 14
struct delivery *db_read_delivery(sqlite3_stmt *s);
/* Steps a statement that gives no rows to its end, and resets it. */
int db_run(struct db *db, sqlite3_stmt *statement);

#endif
