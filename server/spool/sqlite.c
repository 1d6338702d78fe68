/* The connection, its transactions, and what its errors mean. */
#include "sqlite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_KIB        4096
#define CHECKPOINT_PAGES 1024       /* 16 MiB: pages that come and go soon are written once */
#define WAL_LIMIT        (64 << 20) /* bytes that the log keeps on disk after a burst */
#define CHECK_MAX        (64 << 20) /* bytes of a database that is read whole when it is opened */
#define BUSY_TIMEOUT_MS  10000      /* `mxhook queue` writes for moments only */

#define DELIVERY_COLUMNS                                                                           \
    "row, payload, origin, due, attempts, created, id, url, secret, headers, timeout_ms, "         \
    "attempts_max, sender, recipient, last_status, last_error, schedule, ca_file, client_cert, "   \
    "client_key, mail_from, via, about"

/* What struct queue_filter says. */
#define FILTER "(NOT ?1 OR due IS NULL) AND (?2 IS NULL OR instr(url, ?2) > 0) AND created >= ?3"

/* A failed delivery's due is NULL: the index of what is due does not hold it. */
static const char *const sql[STATEMENT_COUNT] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [MARK] = "SAVEPOINT mark",
    [MARK_KEEP] = "RELEASE mark",
    [MARK_UNDO] = "ROLLBACK TO mark",
    [INSERT_DELIVERY] = "INSERT INTO delivery (" DELIVERY_COLUMNS ") "
                        "VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,"
                        "?19,?20,?21,?22,?23)",
    [INSERT_PAYLOAD] = "INSERT INTO payload (row, last, tail, file, bytes) VALUES (?1,?2,?3,?4,?5)",
    [INSERT_TAIL] = "INSERT INTO tail (row, last, file, bytes) VALUES (?1,?2,?3,?4)",
    [DELETE_DELIVERY] = "DELETE FROM delivery WHERE row = ?1",
    [DELETE_PAYLOAD] = "DELETE FROM payload WHERE row = ?1",
    [DELETE_TAIL] = "DELETE FROM tail WHERE row = ?1",
    [DELETE_ATTEMPTS] = "DELETE FROM attempt WHERE delivery = ?1",
    [INSERT_ATTEMPT] = "INSERT OR REPLACE INTO attempt (delivery, at, ms, status, error, reply) "
                       "SELECT ?1, ?2, ?3, ?4, ?5, ?6 "
                       "WHERE EXISTS (SELECT 1 FROM delivery WHERE row = ?1)",
    [TRIM_ATTEMPTS] = "DELETE FROM attempt WHERE delivery = ?1 AND at < (SELECT at FROM attempt "
                      "WHERE delivery = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)",
    [INSERT_HELD] = "INSERT OR REPLACE INTO held (origin, name, until, failures) "
                    "VALUES (?1,?2,?3,?4)",
    [DELETE_HELD] = "DELETE FROM held WHERE origin = ?1",
    [FORGET_HELD] = "DELETE FROM held",
    /* attempts: where it is not as it was read, `mxhook queue retry` has begun anew. */
    [UPDATE_DELIVERY] = "UPDATE delivery SET due = ?2, attempts = ?3, last_status = ?4, "
                        "last_error = ?5 WHERE row = ?1 AND attempts = ?6",
    [FAIL_DELIVERY] = "UPDATE delivery SET due = NULL, last_error = ?2 WHERE row = ?1",
    [RESET_DELIVERY] = "UPDATE delivery SET due = ?2, attempts = 0 WHERE row = ?1",
    [PAYLOAD_USE] = "SELECT tail, file, EXISTS (SELECT 1 FROM delivery d WHERE d.row BETWEEN p.row "
                    "AND p.last AND d.payload = p.row) FROM payload p WHERE p.row = ?1",
    [TAIL_USE] = "SELECT file, EXISTS (SELECT 1 FROM payload p WHERE p.row BETWEEN t.row AND "
                 "t.last AND p.tail = t.row) FROM tail t WHERE t.row = ?1",
    [DUE] = "SELECT row, due FROM delivery INDEXED BY delivery_due "
            "WHERE origin = ?1 AND due IS NOT NULL ORDER BY due, row",
    [NEXT_ORIGIN] = "SELECT origin, due FROM delivery INDEXED BY delivery_due "
                    "WHERE due IS NOT NULL AND origin > ?1 ORDER BY origin, due LIMIT 1",
    [LOAD_DELIVERY] = "SELECT " DELIVERY_COLUMNS " FROM delivery WHERE row = ?1",
    [LOAD_PAYLOAD] = "SELECT tail, file, bytes FROM payload WHERE row = ?1",
    [LOAD_TAIL] = "SELECT file, bytes FROM tail WHERE row = ?1",
    [FIND] = "SELECT row, payload FROM delivery WHERE id = ?1",
    [LIST] = "SELECT " DELIVERY_COLUMNS " FROM delivery WHERE " FILTER " ORDER BY row",
    [PAGE] =
        "SELECT row, payload FROM delivery WHERE row > ?4 AND " FILTER " ORDER BY row LIMIT ?5",
    [PAGE_FAILED] = "SELECT row, payload FROM delivery INDEXED BY delivery_failed "
                    "WHERE due IS NULL AND created < ?1 ORDER BY created LIMIT ?2",
    [PAGE_AGED] =
        "SELECT row, payload, id, created, due IS NOT NULL AND (attempts > 0 OR due < ?2) "
        "FROM delivery WHERE row > ?1 ORDER BY row",
    [NEXT_DELIVERY] = "SELECT row FROM delivery NOT INDEXED WHERE row > ?1 ORDER BY row LIMIT 1",
    [NEXT_PAYLOAD] = "SELECT row FROM payload NOT INDEXED WHERE row > ?1 ORDER BY row LIMIT 1",
    /* Rows stand in the order of acceptance. */
    [NEWEST] = "SELECT ifnull((SELECT created FROM delivery ORDER BY row DESC LIMIT 1), 0)",
    [SET_BACK] = "UPDATE delivery SET due = CASE WHEN due > ?2 THEN due - ?1 ELSE due END, "
                 "created = min(created, ?2) WHERE row IN (SELECT row FROM delivery "
                 "WHERE row > ?3 AND (due > ?2 OR created > ?2) ORDER BY row LIMIT ?4) "
                 "RETURNING row",
    [PAGE_COUNT] = "PRAGMA page_count",
    [FREE_COUNT] = "PRAGMA freelist_count",
    [ATTEMPTS] = "SELECT at, ms, status, error, reply FROM attempt WHERE delivery = ?1 ORDER BY at",
    /* max() and min() of a group that an index orders cost a walk over that index only. */
    [ORIGINS] =
        "SELECT w.count, w.due, ifnull(h.name, (SELECT ifnull(via, url) FROM delivery WHERE row = "
        "w.row)), ifnull(h.until, 0), ifnull(h.failures, 0) "
        "FROM (SELECT origin, count(*) AS count, min(due) AS due, max(row) AS row "
        "FROM delivery INDEXED BY delivery_due WHERE due IS NOT NULL GROUP BY origin) w "
        "LEFT JOIN held h USING (origin) ORDER BY w.count DESC",
    /* ?2: the id that its name begins with. Where a delivery of that message is left the file is
     * too, even if no row names it: an index that is damaged must not cost a payload. */
    [HAS_FILE] = "SELECT EXISTS (SELECT 1 FROM payload WHERE file = ?1) "
                 "OR EXISTS (SELECT 1 FROM tail WHERE file = ?1) "
                 "OR EXISTS (SELECT 1 FROM delivery WHERE id = ?2) "
                 "OR EXISTS (SELECT 1 FROM delivery WHERE id > ?2 || '-' AND id < ?2 || '.')",
    [LAST_ROW] = "SELECT max((SELECT ifnull(max(row), 0) FROM delivery), "
                 "(SELECT ifnull(max(row), 0) FROM payload), "
                 "(SELECT ifnull(max(row), 0) FROM tail))",
    [DATA_VERSION] = "PRAGMA data_version",
};

/* ---- Errors ---- */

static int last_errno(sqlite3_file *file)
{
    int number = 0;
    if (file && file->pMethods)
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &number);
    return number;
}

/* SQLite knows ENOSPC as a full disk, but not that a quota or a limit is just as full; and
 * sqlite3_system_errno() is not set where a commit fails. So the files are asked. */
static int system_errno(struct store *store)
{
    sqlite3_file *files[2] = {NULL, NULL}; /* the database and its log */
    sqlite3_file_control(store->db, "main", SQLITE_FCNTL_FILE_POINTER, &files[0]);
    sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &files[1]);
    for (int i = 0; i < 2; i++) {
        int number = last_errno(files[i]);
        if (number == ENOSPC || number == EDQUOT || number == EFBIG)
            return -ENOSPC;
    }
    return -EIO;
}

static int errno_of(struct store *store, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL: return -ENOSPC;
    case SQLITE_NOMEM: return -ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return -EBUSY;
    case SQLITE_READONLY: return -EROFS;
    case SQLITE_TOOBIG: return -EFBIG;
    case SQLITE_CONSTRAINT: return -EEXIST;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return -EBADMSG;
    default: return system_errno(store);
    }
}

int store_failed(struct store *store, int rc)
{
    snprintf(store->error, sizeof store->error, "%s", sqlite3_errmsg(store->db));
    return errno_of(store, rc);
}

const char *store_error(const struct store *store)
{
    return store->error;
}

/* ---- Statements ---- */

sqlite3_stmt *store_statement(struct store *store, enum statement which)
{
    sqlite3_stmt **statement = &store->statements[which];
    if (*statement)
        return *statement;
    int rc =
        sqlite3_prepare_v3(store->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    if (rc != SQLITE_OK)
        store_failed(store, rc);
    return *statement;
}

int store_run(struct store *store, sqlite3_stmt *statement)
{
    if (!statement)
        return -EIO;
    int rc;
    do
        rc = sqlite3_step(statement);
    while (rc == SQLITE_ROW);
    int code = rc == SQLITE_DONE ? 0 : store_failed(store, rc);
    sqlite3_reset(statement);
    return code;
}

static int run(struct store *store, enum statement which)
{
    return store_run(store, store_statement(store, which));
}

/* ---- Transactions ---- */

/* Forgets the files noted since `until`; removes them where the transaction was committed. */
static void end_removals(struct store *store, struct removal *until, bool committed)
{
    while (store->removals != until) {
        struct removal *removal = store->removals;
        store->removals = removal->next;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", store->bodies, removal->name);
        if (committed)
            unlink(path);
        free(removal);
    }
}

int store_begin(struct store *store)
{
    return run(store, BEGIN);
}

int store_commit(struct store *store)
{
    int code = run(store, COMMIT);
    if (code == 0)
        end_removals(store, NULL, true);
    return code;
}

int store_shrink(struct store *store, uint64_t used_max, uint64_t unused_min)
{
    uint64_t used = 0, unused = 0;
    int code = store_used(store, &used, &unused);
    if (code != 0 || used > used_max || unused < unused_min)
        return code;
    int rc = sqlite3_exec(store->db, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : store_failed(store, rc);
}

void store_undo(struct store *store)
{
    if (!store_broken(store))
        run(store, ROLLBACK);
    end_removals(store, NULL, false);
}

int store_mark(struct store *store)
{
    store->removals_at_mark = store->removals;
    return run(store, MARK);
}

int store_unmark(struct store *store, bool keep)
{
    if (keep)
        return run(store, MARK_KEEP);
    end_removals(store, store->removals_at_mark, false);
    int code = run(store, MARK_UNDO);
    return code == 0 ? run(store, MARK_KEEP) : code;
}

bool store_broken(const struct store *store)
{
    return sqlite3_get_autocommit(store->db);
}

/* ---- Opening ---- */

/* secure_delete: Debian's SQLite overwrites by default what it deletes, and so writes every large
 * payload twice. FAST overwrites only where a page is written anyway. */
static int set_up(struct store *store, enum store_mode mode)
{
    char *pragmas = sqlite3_mprintf("PRAGMA page_size = %d; PRAGMA cache_size = -%d; "
                                    "PRAGMA secure_delete = FAST; "
                                    "PRAGMA temp_store = memory; PRAGMA journal_size_limit = %d; "
                                    "PRAGMA wal_autocheckpoint = %d; PRAGMA synchronous = FULL;%s",
                                    STORE_PAGE_SIZE, CACHE_KIB, WAL_LIMIT, CHECKPOINT_PAGES,
                                    mode == STORE_SERVE ? "PRAGMA journal_mode = WAL;" : "");
    if (!pragmas)
        return -ENOMEM;
    int rc = sqlite3_exec(store->db, pragmas, NULL, NULL, NULL);
    sqlite3_free(pragmas);
    return rc == SQLITE_OK ? 0 : store_failed(store, rc);
}

static int open_database(struct store *store, const char *path, enum store_mode mode)
{
    int flags = SQLITE_OPEN_NOMUTEX;
    if (mode == STORE_SERVE || access(path, W_OK) == 0)
        flags |= SQLITE_OPEN_READWRITE;
    else
        flags |= SQLITE_OPEN_READONLY;
    int rc = sqlite3_open_v2(path, &store->db, flags, NULL);
    if (rc != SQLITE_OK)
        return store_failed(store, rc);
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    if (mode != STORE_SALVAGE)
        return set_up(store, mode);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    /* Lets SQLite read a file that is shorter than its header says. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL);
    return 0;
}

/* SQLite would make it readable for all. */
static int make_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int read_last_row(struct store *store)
{
    sqlite3_stmt *statement = store_statement(store, LAST_ROW);
    if (!statement)
        return -EIO;
    int rc = sqlite3_step(statement);
    store->next_row = sqlite3_column_int64(statement, 0) + 1;
    sqlite3_reset(statement);
    return rc == SQLITE_ROW ? 0 : store_failed(store, rc);
}

/* A database that is gone while there are files for it would be a new, empty spool, and they would
 * be removed as nobody's. */
static int refuse_missing(const struct store *store, const char *path, struct error *err)
{
    struct stat st;
    size_t files = 0;
    if (stat(path, &st) == 0 && st.st_size > 0)
        return 0;
    DIR *dir = opendir(store->bodies);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        files += entry->d_name[0] != '.' &&
                 strncmp(entry->d_name, SPILL_PREFIX, sizeof SPILL_PREFIX - 1) != 0;
    if (dir)
        closedir(dir);
    if (files == 0)
        return 0;
    return error_set(err, -EBADMSG, "%s: missing or empty, but %s holds %zu files of accepted mail",
                     path, store->bodies, files);
}

/* The first line of several says no more than that it is about the database. */
static const char *last_line(const char *text)
{
    const char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

/* Reads the whole database where that is a matter of moments. */
static int check(struct store *store, const char *path, struct error *err)
{
    struct stat st;
    sqlite3_stmt *statement = NULL;
    if (stat(path, &st) != 0 || st.st_size > CHECK_MAX)
        return 0;
    int rc = sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    int code = 0;
    if (rc != SQLITE_ROW && (code = store_failed(store, rc)) != 0)
        error_set(err, code, "%s: %s", path, store->error);
    else if (!text || strcmp(text, "ok") != 0)
        code = error_set(err, -EBADMSG, "%s: %.200s", path, text ? last_line(text) : "not checked");
    sqlite3_finalize(statement);
    return code;
}

static int open_in(struct store *store, const char *directory, enum store_mode mode,
                   struct error *err)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/spool.db", directory) >= sizeof path)
        return error_set(err, -ENAMETOOLONG, "%s: the name is too long", directory);
    if (asprintf(&store->bodies, "%s/bodies", directory) < 0) {
        store->bodies = NULL;
        return error_set(err, -ENOMEM, "%s: out of memory", directory);
    }
    int code = mode == STORE_SERVE ? refuse_missing(store, path, err) : 0;
    if (code != 0)
        return code;
    code = mode == STORE_SERVE ? make_private(path) : access(path, R_OK) ? -errno : 0;
    if (code != 0)
        return error_set(err, code, "%s: %s", path, strerror(-code));
    code = open_database(store, path, mode);
    if (code != 0)
        return error_set(err, code, "%s: %s", path, store->error);
    code = schema_prepare(store->db, mode == STORE_SERVE, directory, err);
    if (code == 0 && mode == STORE_SERVE)
        code = check(store, path, err);
    if (code == 0 && mode != STORE_SALVAGE && (code = read_last_row(store)) != 0)
        error_set(err, code, "%s: %s", path, store->error);
    return code;
}

int store_open(const char *directory, enum store_mode mode, struct store **out, struct error *err)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return error_set(err, -ENOMEM, "%s: out of memory", directory);
    int code = open_in(store, directory, mode, err);
    if (code == -EBADMSG && mode != STORE_SALVAGE) {
        struct error what = *err;
        error_set(
            err, code,
            "the spool is damaged: %s: `mxhook queue export --to FOLDER` saves all that can be "
            "read",
            what.text);
    }
    if (code != 0) {
        store_close(store);
        return code;
    }
    *out = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    end_removals(store, NULL, false);
    sqlite3_close(store->db);
    free(store->bodies);
    free(store);
}

const char *store_bodies(const struct store *store)
{
    return store->bodies;
}
