/* SQLite's log, whose writes are put together: fewer of them, and nothing else is different. */
#include "../test.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "spool/sqlite/log_writes.h"

#define ROWS 100 /* of 3,000 bytes: more than SQLite's own writing takes at once */

struct database {
    char folder[32], path[64];
    sqlite3 *sqlite;
};

/* ---- A disk that is full when the test says so ---- */

static const sqlite3_io_methods *methods_before;
static sqlite3_io_methods methods;
static bool full;

static int write_or_fail(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
    return full ? SQLITE_FULL : methods_before->xWrite(file, bytes, size, offset);
}

static void put_before(sqlite3 *sqlite)
{
    sqlite3_file *file = NULL;
    assert_int_equal(sqlite3_file_control(sqlite, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file),
                     SQLITE_OK);
    methods_before = file->pMethods;
    methods = *methods_before;
    methods.xWrite = write_or_fail;
    file->pMethods = &methods;
}

/* ---- A database ---- */

static int run(struct database *database, const char *sql)
{
    return sqlite3_exec(database->sqlite, sql, NULL, NULL, NULL);
}

static void open_joined(struct database *database)
{
    assert_int_equal(sqlite3_open(database->path, &database->sqlite), SQLITE_OK);
    assert_int_equal(run(database,
                         "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                         "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, bytes BLOB)"),
                     SQLITE_OK);
    put_before(database->sqlite);
    log_writes_join(database->sqlite);
}

static int set_up(void **state)
{
    struct database *database = calloc(1, sizeof *database);
    strcpy(database->folder, "/tmp/mxhook-log-XXXXXX");
    assert_non_null(mkdtemp(database->folder));
    snprintf(database->path, sizeof database->path, "%s/db", database->folder);
    open_joined(database);
    *state = database;
    return 0;
}

static int tear_down(void **state)
{
    struct database *database = *state;
    char command[64];
    sqlite3_close(database->sqlite);
    snprintf(command, sizeof command, "rm -r '%s'", database->folder);
    int status = system(command);
    free(database);
    return status;
}

static long written(void)
{
    char line[64];
    long count = -1;
    FILE *file = fopen("/proc/self/io", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "syscw: %ld", &count) == 1)
            break;
    fclose(file);
    return count;
}

/* What a statement gives, by a connection that knows nothing of ours. */
static int seen_by_another(const struct database *database, const char *sql)
{
    sqlite3 *other;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(database->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(other, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int number = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(other);
    return number;
}

static void assert_whole(const struct database *database, int rows)
{
    assert_int_equal(seen_by_another(database, "SELECT count(*) FROM t WHERE length(bytes) = 3000"),
                     rows);
    assert_int_equal(
        seen_by_another(database, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

#define INSERT                                                                                     \
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100) "               \
    "INSERT INTO t (bytes) SELECT randomblob(3000) FROM c"

static void a_transaction_is_few_writes(void **state)
{
    struct database *database = *state;
    long before = written();
    assert_int_equal(run(database, INSERT), SQLITE_OK);
    assert_in_range(written() - before, 1, 8); /* 400 KB; each of a hundred pages was two */
    assert_whole(database, ROWS);
}

static void nothing_is_seen_before_its_end(void **state)
{
    struct database *database = *state;
    assert_int_equal(run(database, "PRAGMA cache_size = 10; BEGIN; " INSERT),
                     SQLITE_OK); /* most of it is in the log */
    assert_whole(database, 0);
    assert_int_equal(run(database, "UPDATE t SET bytes = randomblob(3000); ROLLBACK"), SQLITE_OK);
    assert_whole(database, 0);
    assert_int_equal(
        run(database, "BEGIN; " INSERT "; UPDATE t SET bytes = randomblob(3000); COMMIT"),
        SQLITE_OK);
    assert_whole(database, ROWS);
}

static void it_outlives_checkpoints_and_a_restart(void **state)
{
    struct database *database = *state;
    assert_int_equal(run(database, INSERT "; PRAGMA wal_checkpoint(TRUNCATE); " INSERT), SQLITE_OK);
    assert_whole(database, 2 * ROWS);
    assert_int_equal(run(database, "PRAGMA wal_checkpoint(RESTART); " INSERT), SQLITE_OK);
    assert_int_equal(sqlite3_close(database->sqlite), SQLITE_OK);
    open_joined(database);
    assert_whole(database, 3 * ROWS);
    assert_int_equal(run(database, INSERT), SQLITE_OK);
    assert_whole(database, 4 * ROWS);
}

/* As on a full disk: the transaction fails, and is not seen later. */
static void what_cannot_be_written_is_told(void **state)
{
    struct database *database = *state;
    struct rlimit old, small = {.rlim_cur = 64 * 1024};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = run(database, INSERT);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(rc == SQLITE_FULL || rc == SQLITE_IOERR);
    assert_whole(database, 0);
    assert_int_equal(run(database, INSERT), SQLITE_OK);
    assert_whole(database, ROWS);
}

/* Where it is told as something is read, a transaction may go on: it can't end well before that is written anew. */
static void what_was_lost_is_told_at_each_sync(void **state)
{
    struct database *database = *state;
    sqlite3_file *file = NULL;
    sqlite3_int64 end;
    char bytes[10];
    assert_int_equal(run(database, INSERT), SQLITE_OK);
    assert_int_equal(
        sqlite3_file_control(database->sqlite, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file),
        SQLITE_OK);
    const sqlite3_io_methods *joined = file->pMethods;
    assert_int_equal(joined->xFileSize(file, &end), SQLITE_OK);
    assert_int_equal(joined->xWrite(file, "0123456789", 10, end), SQLITE_OK);
    full = true;
    assert_int_equal(joined->xRead(file, bytes, 10, 0), SQLITE_FULL);
    full = false;
    assert_int_equal(joined->xRead(file, bytes, 10, 0), SQLITE_OK);
    assert_int_equal(joined->xWrite(file, "abcdefghij", 10, end + 10), SQLITE_OK);
    assert_int_equal(joined->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_FULL);
    assert_int_equal(joined->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_FULL);
    assert_int_equal(joined->xWrite(file, "9876543210", 10, end), SQLITE_OK);
    assert_int_equal(joined->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_int_equal(joined->xRead(file, bytes, 10, end), SQLITE_OK);
    assert_memory_equal(bytes, "9876543210", 10);
    assert_whole(database, ROWS);
}

static void a_database_without_a_log_stays_as_it_is(void **state)
{
    struct database *database = *state;
    assert_int_equal(sqlite3_close(database->sqlite), SQLITE_OK);
    assert_int_equal(sqlite3_open(database->path, &database->sqlite), SQLITE_OK);
    assert_int_equal(run(database, "PRAGMA journal_mode = DELETE"), SQLITE_OK);
    log_writes_join(database->sqlite);
    assert_int_equal(run(database, INSERT), SQLITE_OK);
    assert_whole(database, ROWS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_transaction_is_few_writes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_seen_before_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_outlives_checkpoints_and_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_lost_is_told_at_each_sync, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_database_without_a_log_stays_as_it_is, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
