/* The connection: how a database is opened, made, and checked. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sqlite.h"

#define CACHE_KIB        4096
#define CHECKPOINT_PAGES 1024       /* 16 MiB: pages that come and go soon are written once */
#define WAL_LIMIT        (64 << 20) /* bytes that the log keeps on disk after a burst */
#define CHECK_MAX        (64 << 20) /* bytes of a database that is read whole when it is opened */
#define BUSY_TIMEOUT_MS  10000      /* `mxhook queue` writes for moments only */

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
    store_end_removals(store, NULL, false);
    sqlite3_close(store->db);
    free(store->bodies);
    free(store);
}

const char *store_bodies(const struct store *store)
{
    return store->bodies;
}
