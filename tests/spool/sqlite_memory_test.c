/*
 * Each request for memory fails once, SQLite's and ours: a database is opened as it should be, or not at all; what is said to be
 * stored is stored whole, and what is not is not there; what is read is what was written.
 */
#include "../failing_memory.h"
#include "bench.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool/sqlite/db.h"

#define URL   "https://hooks.example.com/in"
#define COUNT "SELECT count(*) FROM delivery"

static sqlite3_mem_methods real;

static void *sqlite_malloc(int size)
{
    return memory_fails() ? NULL : real.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
    return memory_fails() ? NULL : real.xRealloc(old, size);
}

static int let_sqlite_fail(void **state)
{
    (void)state;
    sqlite3_mem_methods failing;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real), SQLITE_OK);
    failing = real;
    failing.xMalloc = sqlite_malloc;
    failing.xRealloc = sqlite_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &failing), SQLITE_OK);
    /* No pools, or most requests would not come here. */
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
    return 0;
}

/* Each of the first, then one in so many: hundreds are asked for, most of them at the same places. */
static long after(long failing)
{
    return failing < 100 ? failing + 1 : failing + 1 + failing / 20;
}

/* What opening sets is seen in the file, and in the connection's own counts. */
static void check_as_opened(struct bench *bench)
{
    char path[128], head[20];
    snprintf(path, sizeof path, "%s/spool.db", bench->directory);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(head, 1, sizeof head, file), sizeof head);
    fclose(file);
    assert_int_equal((unsigned char)head[16] << 8 | (unsigned char)head[17], 16384);
    assert_int_equal(head[18], 2); /* WAL */
}

static void an_open_is_whole_or_fails(void **state)
{
    struct bench *bench = *state;
    char path[3][128];
    long failures = 0;
    bool reached = true;
    static const char *const names[] = {"", "-wal", "-shm"};
    bench_close(bench);
    for (int i = 0; i < 3; i++)
        snprintf(path[i], sizeof path[i], "%s/spool.db%s", bench->directory, names[i]);
    for (long failing = 0; reached; failing = after(failing)) {
        struct db *db = NULL;
        struct error err = {""};
        for (int i = 0; i < 3; i++)
            remove(path[i]); /* it is made anew each time */
        memory_fails_after(failing);
        int code = db_open(bench->directory, DB_SERVE, &db, &err);
        reached = memory_has_failed();
        if (code == 0) {
            check_as_opened(bench);
            db_close(db);
        } else {
            assert_true(reached);
            assert_true(err.text[0]);
            failures++;
        }
    }
    assert_true(failures > 50);
}

/* ---- Writing and reading ---- */

static int store(struct db *db, struct delivery *d)
{
    int code = db_begin(db);
    if (code == 0 && (code = db_insert(db, d)) == 0)
        code = db_commit(db);
    if (code != 0)
        db_undo(db);
    return code;
}

static int fail_it(struct db *db, struct delivery *d)
{
    bool changed = false;
    int code = db_begin(db);
    if (code == 0 && (code = db_update(db, d, true, &changed)) == 0)
        code = db_commit(db);
    if (code != 0)
        db_undo(db);
    assert_true(code != 0 || changed);
    return code;
}

static int remove_it(struct db *db, int64_t row, int64_t payload_row)
{
    int code = db_begin(db);
    if (code == 0 && (code = db_remove(db, row, payload_row, true)) == 0)
        code = db_commit(db);
    if (code != 0)
        db_undo(db);
    return code;
}

static void check_loaded(struct delivery *d)
{
    char *body = bench_body(d->payload);
    assert_string_equal(body, "{\"a\":1}");
    free(body);
    assert_string_equal(d->destination.url, URL);
    assert_string_equal(d->destination.secret, "s");
    assert_int_equal(d->destination.header_count, 2);
    assert_string_equal(d->destination.headers[0], "X-A: 1");
    assert_string_equal(d->destination.headers[1], "X-B: 2");
    assert_string_equal(d->sender, "a@b.example");
    assert_string_equal(d->recipient, "c@d.example");
}

static struct delivery *new_delivery(void)
{
    const char *headers[] = {"X-A: 1", "X-B: 2"};
    struct destination to = {.url = URL, .secret = "s", .headers = headers, .header_count = 2};
    struct delivery *d = bench_delivery("m-1", URL, "{\"a\":1}");
    assert_int_equal(delivery_set_destination(d, &to), 0);
    d->last_error = "refused";
    d->last_at_ms = 1;
    return d;
}

/* Stores one; 0 where that was said. What is there then is what was said. */
static int store_once(struct bench *bench, long failing, struct db *db, struct delivery *d)
{
    memory_fails_after(failing);
    int code = store(db, d);
    bool reached = memory_has_failed();
    assert_true(code == 0 || reached);
    assert_int_equal(bench_query(bench, COUNT), code == 0 ? 1 : 0);
    return code;
}

/* With statements that are all to be prepared, so a connection of its own. */
static bool go_through(struct bench *bench, long failing, long *failures)
{
    struct db *db;
    struct error err;
    struct delivery *d = new_delivery(), *loaded = NULL;
    const char *reason = NULL;
    int64_t row, payload_row;
    assert_int_equal(db_open(bench->directory, DB_SERVE, &db, &err), 0);
    bool reached = store_once(bench, failing, db, d) != 0;
    if (reached)
        assert_int_equal(store(db, d), 0); /* the next try */
    assert_int_equal(db_find(db, "m-1", &row, &payload_row), 0);
    *failures += reached;

    memory_fails_after(failing);
    int code = db_load(db, row, NULL, &loaded, &reason);
    bool failed = memory_has_failed();
    assert_true(code == 0 || failed);
    if (code == 0 && loaded->payload)
        check_loaded(loaded);
    delivery_free(loaded);
    *failures += code != 0;
    reached |= failed;

    memory_fails_after(failing);
    code = fail_it(db, d);
    failed = memory_has_failed();
    assert_true(code == 0 || failed);
    assert_int_equal(bench_query(bench, COUNT " WHERE due IS NULL AND last_error = 'refused'"),
                     code == 0);
    assert_int_equal(bench_query(bench, "SELECT count(*) FROM attempt"), code == 0);
    *failures += code != 0;
    reached |= failed;

    memory_fails_after(failing);
    code = remove_it(db, row, payload_row);
    failed = memory_has_failed();
    assert_true(code == 0 || failed);
    for (int i = 0; i < 3; i++) {
        static const char *const tables[] = {COUNT, "SELECT count(*) FROM payload",
                                             "SELECT count(*) FROM attempt WHERE 1"};
        if (i < 2 || code == 0)
            assert_int_equal(bench_query(bench, tables[i]), code != 0);
    }
    if (code != 0)
        assert_int_equal(remove_it(db, row, payload_row), 0);
    *failures += code != 0;
    reached |= failed;
    delivery_free(d);
    db_close(db);
    return reached;
}

static void what_is_said_to_be_stored_is(void **state)
{
    struct bench *bench = *state;
    long failures = 0;
    bool reached = true;
    bench_close(bench);
    for (long failing = 0; reached; failing = after(failing))
        reached = go_through(bench, failing, &failures);
    assert_true(failures > 50);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_open_is_whole_or_fails),
        TEST(what_is_said_to_be_stored_is),
    };
    return cmocka_run_group_tests(tests, let_sqlite_fail, NULL);
}
