/* What opens as a spool and what does not, and what becomes of it when the clock is set. */
#include "../failing_sqlite.h"
#include "opened_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/spill.h"

#define URL     "https://hooks.example.com/in"
#define VERSION bench_query(bench, "PRAGMA user_version")

int64_t __wrap_clock_ahead_ms(void);
static int64_t ahead_ms; /* what the machine's clock has been set forward by */

int64_t __wrap_clock_ahead_ms(void)
{
    return ahead_ms;
}

/* ---- Opening ---- */

static void write_file(const struct bench *bench, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%.60s/%.40s", bench->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool is_there(const struct bench *bench, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%.60s/%.40s", bench->directory, name);
    return access(path, F_OK) == 0;
}

/* Opens and closes; the error's text is in err. */
static int open_as(int (*open_it)(const struct spool_config *config, struct store **out,
                                  struct error *err),
                   const struct bench *bench, struct error *err)
{
    struct store *store;
    err->text[0] = 0;
    int code = open_it(&bench->config, &store, err);
    if (code == 0)
        sqlite_ops.close(store);
    return code;
}

/* `count`: files of mail that the message names; 0: it opens. */
static void assert_missing(struct bench *bench, int count)
{
    char says[64];
    struct error err;
    int code = open_as(sqlite_ops.open, bench, &err);
    assert_int_equal(code, count > 0 ? -EBADMSG : 0);
    if (count == 0)
        return;
    snprintf(says, sizeof says, "holds %d files of accepted mail", count);
    assert_non_null(strstr(err.text, says));
    assert_non_null(strstr(err.text, "the spool is damaged: "));
}

/* Not in place of a database that is gone: its files would be nobody's. */
static void a_new_database_is_made_where_there_is_no_mail(void **state)
{
    struct bench *bench = *state;
    char command[128];
    bench_close(bench);
    snprintf(command, sizeof command, "rm -f '%.60s'/spool.db*", bench->directory);
    assert_int_equal(system(command), 0);
    write_file(bench, "bodies/.hidden", "x");
    write_file(bench, "bodies/" SPILL_PREFIX "a", "x"); /* was never accepted */
    assert_missing(bench, 0);
    assert_int_equal(system(command), 0);
    write_file(bench, "bodies/a", "x");
    assert_missing(bench, 1);
    assert_false(is_there(bench, "spool.db"));
    write_file(bench, "bodies/b", "x");
    write_file(bench, "spool.db", ""); /* of no bytes */
    assert_missing(bench, 2);
    assert_true(is_there(bench, "bodies/a") && is_there(bench, "bodies/b"));
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "rm -r '%.60s'/bodies", bench->directory);
    assert_int_equal(system(command), 0);
    assert_missing(bench, 0);
    write_file(bench, "bodies/a", "x");
    assert_missing(bench, 0); /* the database says that it is nobody's */
    assert_false(is_there(bench, "bodies/a"));
}

static void what_is_damaged_is_told_from_what_fails(void **state)
{
    static const struct {
        int sqlite, code;
    } rows[] = {
        {SQLITE_CORRUPT, -EBADMSG}, {SQLITE_CORRUPT_INDEX, -EBADMSG}, {SQLITE_NOTADB, -EBADMSG},
        {SQLITE_IOERR, -EIO},       {SQLITE_IOERR_READ, -EIO},        {SQLITE_CANTOPEN, -EIO},
    };
    struct bench *bench = *state;
    struct error err;
    bench_close(bench);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sqlite_fails_after(0, "PRAGMA user_version", false);
        calls.code = rows[i].sqlite;
        int code = open_as(sqlite_ops.open, bench, &err);
        assert_true(sqlite_has_failed());
        assert_int_equal(code, rows[i].code);
        assert_int_equal(strstr(err.text, "the spool is damaged: ") != NULL, code == -EBADMSG);
    }
    char garbage[4097];
    memset(garbage, 'x', sizeof garbage);
    garbage[sizeof garbage - 1] = 0;
    write_file(bench, "spool.db", garbage);
    assert_int_equal(open_as(sqlite_ops.open, bench, &err), -EBADMSG);
    assert_int_equal(open_as(sqlite_ops.visit, bench, &err), -EBADMSG);
}

static void other_versions_are_refused_or_brought_up_to_date(void **state)
{
    struct bench *bench = *state;
    struct error err;
    char sql[64];
    bench_close(bench);
    int version = (int)VERSION;
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", version + 1);
    bench_run_sql(bench, sql);
    assert_int_equal(open_as(sqlite_ops.open, bench, &err), -EPROTONOSUPPORT);
    assert_non_null(strstr(err.text, "made by a newer mxhook"));
    assert_int_equal(open_as(sqlite_ops.visit, bench, &err), -EPROTONOSUPPORT);
    assert_non_null(strstr(err.text, "made by a newer mxhook"));
    assert_int_equal(VERSION, version + 1);
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", version - 1);
    bench_run_sql(bench, sql);
    assert_int_equal(open_as(sqlite_ops.visit, bench, &err), -EPROTONOSUPPORT);
    assert_non_null(strstr(err.text, "made by an older mxhook"));
    assert_int_equal(VERSION, version - 1);
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", version);
    bench_run_sql(bench, sql);
    assert_int_equal(open_as(sqlite_ops.visit, bench, &err), 0);
    assert_int_equal(open_as(sqlite_ops.open, bench, &err), 0);
}

#define CHECKED_MOST (64 << 20) /* CHECK_MAX of db_open.c */

/* A small database is read whole when a server opens it; a larger one is not, and damage is found where it is met. */
static void a_small_database_is_checked(void **state)
{
    struct bench *bench = *state;
    struct error err;
    char path[128], garbage[4096];
    bench_close(bench);
    long long page =
        bench_query(bench, "SELECT rootpage FROM sqlite_master WHERE name = 'attempt'");
    long long size = bench_query(bench, "PRAGMA page_size");
    assert_int_equal(open_as(sqlite_ops.open, bench, &err), 0);
    bench_query(bench, "PRAGMA wal_checkpoint(TRUNCATE)");
    snprintf(path, sizeof path, "%.60s/spool.db", bench->directory);
    memset(garbage, 'x', sizeof garbage);
    int fd = open(path, O_WRONLY);
    assert_true(pwrite(fd, garbage, sizeof garbage, (page - 1) * size) == sizeof garbage);
    for (int more = 0; more < 2; more++) {
        assert_int_equal(ftruncate(fd, CHECKED_MOST + more), 0);
        assert_int_equal(open_as(sqlite_ops.open, bench, &err), more ? 0 : -EBADMSG);
        assert_int_equal(open_as(sqlite_ops.visit, bench, &err),
                         0); /* reads only what it is asked for */
    }
    close(fd);
}

/* ---- The clock ---- */

/* What ends is due by the clock of now. More than two seconds are a clock that was set back. */
static void an_end_is_due_by_the_clock_of_now(void **state)
{
    static const struct {
        int64_t before, now, moved;
    } rows[] = {{5000, 5000, 0},
                {5000, 3000, 0},
                {5000, 2999, 2001},
                {5000, -995000, 1000000},
                {5000, 9000, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct delivery *d = delivery_new("m-1");
        assert_non_null(d);
        d->due_ms = 10000000;
        d->stored->ahead_ms = rows[i].before;
        ahead_ms = rows[i].now;
        setback_correct(d);
        assert_int_equal(10000000 - d->due_ms, rows[i].moved);
        assert_int_equal(d->stored->ahead_ms, rows[i].now);
        delivery_free(d);
    }
    ahead_ms = 0;
}

/* `waiting` rows, due in an hour. */
static void fill(struct bench *bench, int waiting)
{
    char sql[512];
    bench_run_sql(bench, "DELETE FROM delivery");
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT "
             "INTO delivery (row, payload, "
             "origin, lane, due, attempts, created, id, url, timeout_ms, attempts_max, sender, "
             "recipient, last_status) SELECT i, 1, "
             "1, 1, %lld, 0, %lld, 'm', '" URL "', 0, 0, '', '', 0 FROM n",
             waiting, (long long)clock_unix_ms() + 3600000, (long long)clock_unix_ms());
    bench_run_sql(bench, sql);
}

/* What waits is set back with the clock: 10,000 rows in a call, the rest in those that follow. */
static void what_waits_is_set_back_with_the_clock(void **state)
{
    static const struct {
        int waiting, calls;
    } rows[] = {{1, 1}, {999, 1}, {1000, 1}, {9999, 1}, {10000, 2}, {10001, 2}};
    struct bench *bench = *state;
    bench_close(bench);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fill(bench, rows[i].waiting);
        struct sqlite_store *s = open_store(bench);
        int64_t now = clock_unix_ms();
        int made = 0;
        char sql[128];
        ahead_ms -= 3600000;
        do
            setback_run(&s->setback, s->db, &s->leases);
        while (++made < 5 && s->setback.under_way);
        assert_int_equal(made, rows[i].calls);
        snprintf(sql, sizeof sql, "SELECT count(*) FROM delivery WHERE due <= %lld",
                 (long long)now + 60000);
        assert_int_equal(bench_query(bench, sql), rows[i].waiting);
        close_store(s);
    }
    ahead_ms = 0;
}

static void two_seconds_are_no_clock_that_was_set(void **state)
{
    static const struct {
        int64_t moved;
        bool looks, sets_back;
    } rows[] = {{0, false, false},
                {-2000, false, false},
                {-2001, true, true},
                {2000, false, false},
                {2001, true, false}};
    struct bench *bench = *state;
    bench_close(bench);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fill(bench, 1);
        long long due = bench_query(bench, "SELECT due FROM delivery");
        struct sqlite_store *s = open_store(bench);
        ahead_ms += rows[i].moved;
        assert_int_equal(setback_run(&s->setback, s->db, &s->leases), rows[i].looks);
        assert_int_equal(due - bench_query(bench, "SELECT due FROM delivery"),
                         rows[i].sets_back ? -rows[i].moved : 0);
        assert_false(setback_run(&s->setback, s->db, &s->leases)); /* once */
        assert_false(s->setback.under_way);
        close_store(s);
    }
    ahead_ms = 0;
}

/* A page that fails is tried again; a clock that is set back once more meanwhile is added. */
static void what_was_not_finished_is_done_with_the_next(void **state)
{
    struct bench *bench = *state;
    bench_close(bench);
    static const char *const parts[] = {"BEGIN", "UPDATE delivery", "COMMIT"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        fill(bench, 1);
        long long due = bench_query(bench, "SELECT due FROM delivery");
        struct sqlite_store *s = open_store(bench);
        ahead_ms -= 10000;
        sqlite_fails_after(0, parts[i], false);
        assert_false(setback_run(&s->setback, s->db, &s->leases));
        assert_true(sqlite_has_failed());
        assert_true(s->setback.under_way);
        assert_int_equal(bench_query(bench, "SELECT due FROM delivery"), due);
        ahead_ms -= 5000;
        assert_true(setback_run(&s->setback, s->db, &s->leases));
        assert_int_equal(due - bench_query(bench, "SELECT due FROM delivery"), 15000);
        assert_false(s->setback.under_way);
        close_store(s);
    }
    ahead_ms = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_database_is_made_where_there_is_no_mail),
        TEST(what_is_damaged_is_told_from_what_fails),
        TEST(other_versions_are_refused_or_brought_up_to_date),
        TEST(a_small_database_is_checked),
        TEST(an_end_is_due_by_the_clock_of_now),
        TEST(what_waits_is_set_back_with_the_clock),
        TEST(two_seconds_are_no_clock_that_was_set),
        TEST(what_was_not_finished_is_done_with_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
