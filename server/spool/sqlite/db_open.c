/* The connection: how a database is opened, made, and checked. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db_private.h"
#include "log_writes.h"

#define CACHE_KIB        4096
#define CHECKPOINT_PAGES 1024       /* 16 MiB: pages that come and go soon are written once */
#define WAL_LIMIT        (64 << 20) /* bytes that the log keeps on disk after a burst */
#define CHECK_MAX        (64 << 20) /* bytes of a database that is read whole when it is opened */
#define BUSY_TIMEOUT_MS  10000      /* `mxhook queue` writes for moments only */

/* secure_delete: Debian's SQLite overwrites by default what it deletes, and so writes every large
 * payload twice. FAST overwrites only where a page is written anyway. */
static int set_up(struct db *db, enum db_mode mode)
{
    char *pragmas = sqlite3_mprintf("PRAGMA page_size = %d; PRAGMA cache_size = -%d; "
                                    "PRAGMA secure_delete = FAST; "
                                    "PRAGMA temp_store = memory; PRAGMA journal_size_limit = %d; "
                                    "PRAGMA wal_autocheckpoint = %d; PRAGMA synchronous = FULL;%s",
                                    DB_PAGE_SIZE, CACHE_KIB, WAL_LIMIT, CHECKPOINT_PAGES,
                                    mode == DB_SERVE ? "PRAGMA journal_mode = WAL;" : "");
    if (!pragmas)
        return -ENOMEM;
    int rc = sqlite3_exec(db->sqlite, pragmas, NULL, NULL, NULL);
    sqlite3_free(pragmas);
    return rc == SQLITE_OK ? 0 : db_failed(db, rc);
}

static int open_database(struct db *db, const char *path, enum db_mode mode)
{
    int flags = SQLITE_OPEN_NOMUTEX;
    if (mode == DB_SERVE || access(path, W_OK) == 0)
        flags |= SQLITE_OPEN_READWRITE;
    else
        flags |= SQLITE_OPEN_READONLY;
    int rc = sqlite3_open_v2(path, &db->sqlite, flags, NULL);
    if (rc != SQLITE_OK)
        return db_failed(db, rc);
    sqlite3_extended_result_codes(db->sqlite, 1);
    sqlite3_busy_timeout(db->sqlite, BUSY_TIMEOUT_MS);
    if (mode != DB_SALVAGE)
        return set_up(db, mode);
    sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    /* Lets SQLite read a file that is shorter than its header says. */
    sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL);
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

static int read_last_row(struct db *db)
{
    sqlite3_stmt *statement = db_statement(db, LAST_ROW);
    if (!statement)
        return -EIO;
    int rc = sqlite3_step(statement);
    db->next_row = sqlite3_column_int64(statement, 0) + 1;
    sqlite3_reset(statement);
    return rc == SQLITE_ROW ? 0 : db_failed(db, rc);
}

/* A database that is gone while there are files for it would be a new, empty spool, and they would
 * be removed as nobody's. */
static int refuse_missing(const struct db *db, const char *path, struct error *err)
{
    struct stat st;
    size_t files = 0;
    if (stat(path, &st) == 0 && st.st_size > 0)
        return 0;
    DIR *dir = opendir(db->bodies);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        files += entry->d_name[0] != '.' &&
                 strncmp(entry->d_name, SPILL_PREFIX, sizeof SPILL_PREFIX - 1) != 0;
    if (dir)
        closedir(dir);
    if (files == 0)
        return 0;
    return error_set(err, -EBADMSG, "%s: missing or empty, but %s holds %zu files of accepted mail",
                     path, db->bodies, files);
}

/* The first line of several says no more than that it is about the database. */
static const char *last_line(const char *text)
{
    const char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

/* Reads the whole database where that is a matter of moments. */
static int check(struct db *db, const char *path, struct error *err)
{
    struct stat st;
    sqlite3_stmt *statement = NULL;
    if (stat(path, &st) != 0 || st.st_size > CHECK_MAX)
        return 0;
    int rc = sqlite3_prepare_v2(db->sqlite, "PRAGMA quick_check(1)", -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    int code = 0;
    if (rc != SQLITE_ROW && (code = db_failed(db, rc)) != 0)
        error_set(err, code, "%s: %s", path, db->error);
    else if (!text || strcmp(text, "ok") != 0)
        code = error_set(err, -EBADMSG, "%s: %.200s", path, text ? last_line(text) : "not checked");
    sqlite3_finalize(statement);
    return code;
}

static int open_in(struct db *db, const char *directory, enum db_mode mode, struct error *err)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/spool.db", directory) >= sizeof path)
        return error_set(err, -ENAMETOOLONG, "%s: the name is too long", directory);
    if (asprintf(&db->bodies, "%s/bodies", directory) < 0) {
        db->bodies = NULL;
        return error_set(err, -ENOMEM, "%s: out of memory", directory);
    }
    int code = mode == DB_SERVE ? refuse_missing(db, path, err) : 0;
    if (code != 0)
        return code;
    code = mode == DB_SERVE ? make_private(path) : access(path, R_OK) ? -errno : 0;
    if (code != 0)
        return error_set(err, code, "%s: %s", path, strerror(-code));
    code = open_database(db, path, mode);
    if (code != 0)
        return error_set(err, code, "%s: %s", path, db->error);
    code = schema_prepare(db->sqlite, mode, directory, err);
    if (code == 0 && mode == DB_SERVE)
        code = check(db, path, err);
    if (code == 0 && mode != DB_SALVAGE && (code = read_last_row(db)) != 0)
        error_set(err, code, "%s: %s", path, db->error);
    if (code == 0 && mode == DB_SERVE)
        log_writes_join(db->sqlite); /* a new database's log is open since something was read */
    return code;
}

int db_open(const char *directory, enum db_mode mode, struct db **out, struct error *err)
{
    struct db *db = calloc(1, sizeof *db);
    if (!db)
        return error_set(err, -ENOMEM, "%s: out of memory", directory);
    int code = open_in(db, directory, mode, err);
    if (code == -EBADMSG && mode != DB_SALVAGE) {
        struct error what = *err;
        error_set(
            err, code,
            "the spool is damaged: %s: `mxhook queue export --to FOLDER` saves all that can be "
            "read",
            what.text);
    }
    if (code != 0) {
        db_close(db);
        return code;
    }
    *out = db;
    return 0;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(db->statements[i]);
    db_end_removals(db, NULL, false);
    sqlite3_close(db->sqlite);
    free(db->bodies);
    free(db);
}

const char *db_bodies(const struct db *db)
{
    return db->bodies;
}
