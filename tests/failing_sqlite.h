/*
 * failing_sqlite.h - calls of SQLite that fail when a test says so, as on a disk that fails: nothing is done, and -EIO is what
 * our code makes of it; or of another code of SQLite's, where the test sets calls.code after sqlite_fails_after().
 *
 * For one test program, which is linked with FAILING_SQLITE (tests/CMakeLists.txt): our own calls come here. What undoes a
 * transaction never fails, since nothing could be said about what comes after. One thread.
 */
#ifndef MXHOOK_TESTS_FAILING_SQLITE_H
#define MXHOOK_TESTS_FAILING_SQLITE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <string.h>

int __real_sqlite3_step(sqlite3_stmt *statement);
int __real_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int size, sqlite3_stmt **out,
                              const char **tail);
int __real_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int size, unsigned flags,
                              sqlite3_stmt **out, const char **tail);
int __real_sqlite3_exec(sqlite3 *db, const char *sql,
                        int (*each)(void *context, int count, char **values, char **names),
                        void *context, char **error);
int __wrap_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int size, sqlite3_stmt **out,
                              const char **tail);
int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int size, unsigned flags,
                              sqlite3_stmt **out, const char **tail);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql,
                        int (*each)(void *context, int count, char **values, char **names),
                        void *context, char **error);

int __real_sqlite3_blob_open(sqlite3 *db, const char *schema, const char *table, const char *column,
                             sqlite3_int64 row, int write, sqlite3_blob **out);
int __real_sqlite3_blob_reopen(sqlite3_blob *blob, sqlite3_int64 row);
int __real_sqlite3_blob_read(sqlite3_blob *blob, void *bytes, int size, int offset);
int __real_sqlite3_blob_write(sqlite3_blob *blob, const void *bytes, int size, int offset);
int __wrap_sqlite3_blob_open(sqlite3 *db, const char *schema, const char *table, const char *column,
                             sqlite3_int64 row, int write, sqlite3_blob **out);
int __wrap_sqlite3_blob_reopen(sqlite3_blob *blob, sqlite3_int64 row);
int __wrap_sqlite3_blob_read(sqlite3_blob *blob, void *bytes, int size, int offset);
int __wrap_sqlite3_blob_write(sqlite3_blob *blob, const void *bytes, int size, int offset);

static struct {
    bool armed, failed;
    bool lasting;     /* all that follow fail, too */
    long granted;     /* calls that still do what they are to do */
    const char *only; /* those alone that begin so; NULL: all */
    int code;         /* what the one that fails returns */
} calls;

/* From now on so many calls (`only`: of statements that begin so) work, and the next one fails. */
static void sqlite_fails_after(long granted, const char *only, bool lasting)
{
    calls.armed = true;
    calls.failed = false;
    calls.lasting = lasting;
    calls.granted = granted;
    calls.only = only;
    calls.code = SQLITE_IOERR;
}

/* Ends that, and says whether one failed. */
static bool sqlite_has_failed(void)
{
    calls.armed = false;
    return calls.failed;
}

static bool sqlite_fails(const char *sql)
{
    if (!calls.armed || !sql || strncmp(sql, "ROLLBACK", 8) == 0 ||
        (calls.only && strncmp(sql, calls.only, strlen(calls.only)) != 0))
        return false;
    long granted = calls.granted--;
    if (granted > 0 || (granted < 0 && !calls.lasting))
        return false;
    calls.failed = true;
    return true;
}

int __wrap_sqlite3_step(sqlite3_stmt *statement)
{
    return sqlite_fails(sqlite3_sql(statement)) ? calls.code : __real_sqlite3_step(statement);
}

int __wrap_sqlite3_prepare_v2(sqlite3 *db, const char *sql, int size, sqlite3_stmt **out,
                              const char **tail)
{
    if (!sqlite_fails(sql))
        return __real_sqlite3_prepare_v2(db, sql, size, out, tail);
    *out = NULL;
    return calls.code;
}

int __wrap_sqlite3_prepare_v3(sqlite3 *db, const char *sql, int size, unsigned flags,
                              sqlite3_stmt **out, const char **tail)
{
    if (!sqlite_fails(sql))
        return __real_sqlite3_prepare_v3(db, sql, size, flags, out, tail);
    *out = NULL;
    return calls.code;
}

int __wrap_sqlite3_exec(sqlite3 *db, const char *sql,
                        int (*each)(void *context, int count, char **values, char **names),
                        void *context, char **error)
{
    return sqlite_fails(sql) ? calls.code : __real_sqlite3_exec(db, sql, each, context, error);
}

int __wrap_sqlite3_blob_open(sqlite3 *db, const char *schema, const char *table, const char *column,
                             sqlite3_int64 row, int write, sqlite3_blob **out)
{
    if (!sqlite_fails("blob"))
        return __real_sqlite3_blob_open(db, schema, table, column, row, write, out);
    *out = NULL;
    return calls.code;
}

int __wrap_sqlite3_blob_reopen(sqlite3_blob *blob, sqlite3_int64 row)
{
    return sqlite_fails("blob") ? calls.code : __real_sqlite3_blob_reopen(blob, row);
}

int __wrap_sqlite3_blob_read(sqlite3_blob *blob, void *bytes, int size, int offset)
{
    return sqlite_fails("blob") ? calls.code : __real_sqlite3_blob_read(blob, bytes, size, offset);
}

int __wrap_sqlite3_blob_write(sqlite3_blob *blob, const void *bytes, int size, int offset)
{
    return sqlite_fails("blob") ? calls.code : __real_sqlite3_blob_write(blob, bytes, size, offset);
}

#endif
