/* What keeps the spool within its bounds (spool/sqlite/upkeep.h), a look at a time: pages of it, limits at the exact value,
 * and what could not be stored. */
#include "../captured_log.h"
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "spool/sqlite/upkeep.h"

#define PAGE    200     /* deliveries of one transaction (upkeep.c) */
#define HOUR_MS 3600000 /* how old what is too old is made */
#define AGE_MS  3500000
#define URL     "https://hooks.example.com/in"
#define FAILED  "SELECT count(*) FROM delivery WHERE due IS NULL"

struct look {
    struct bench *bench;
    struct db *db;
    struct upkeep upkeep;
    struct leases leases;
};

static int set_up(void **state)
{
    struct look *look = calloc(1, sizeof *look);
    struct error err;
    assert_int_equal(bench_set_up((void **)&look->bench), 0);
    bench_close(look->bench);
    if (db_open(look->bench->directory, DB_SERVE, &look->db, &err) != 0)
        fail_msg("%s", err.text);
    *state = look;
    return 0;
}

static int tear_down(void **state)
{
    struct look *look = *state;
    db_close(look->db);
    leases_free(&look->leases);
    bench_tear_down((void **)&look->bench);
    free(look);
    return 0;
}

static void store(struct look *look, int count)
{
    assert_int_equal(db_begin(look->db), 0);
    for (int i = 0; i < count; i++) {
        char id[ID_SIZE];
        snprintf(id, sizeof id, "m-%d", i);
        struct delivery *d = bench_delivery(id, URL, "x");
        d->created_ms -= HOUR_MS;
        d->due_ms -= HOUR_MS;
        assert_int_equal(db_insert(look->db, d), 0);
        delivery_free(d);
    }
    assert_int_equal(db_commit(look->db), 0);
}

/* Looks once, and counts the lines of the log that have this event. */
static int look_once(struct look *look, const char *event)
{
    CAPTURE(upkeep_run(&look->upkeep, look->db, &look->leases));
    return captured_lines(event);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A full disk at the moment of giving up: nothing is said until it is stored. */
static void what_is_not_stored_is_not_said(void **state)
{
    struct look *look = *state;
    store(look, 2);
    look->upkeep.max_age_ms = AGE_MS;
    limit_files(4096); /* the log is longer already */
    int said = look_once(look, " undelivered ");
    limit_files(RLIM_INFINITY);
    assert_int_equal(said, 0);
    assert_int_equal(bench_query(look->bench, FAILED), 0);

    look->upkeep.look_due = 0;
    assert_int_equal(look_once(look, " undelivered "), 2);
    assert_int_equal(bench_query(look->bench, FAILED), 2);
}

static void what_is_not_removed_is_not_said(void **state)
{
    struct look *look = *state;
    store(look, 2);
    bench_run_sql(look->bench, "UPDATE delivery SET due = NULL");
    look->upkeep.keep_failed_ms = AGE_MS;
    limit_files(4096);
    int said = look_once(look, " spool-expired ");
    limit_files(RLIM_INFINITY);
    assert_int_equal(said, 0);
    assert_int_equal(bench_query(look->bench, FAILED), 2);

    look->upkeep.look_due = 0;
    assert_int_equal(look_once(look, " spool-expired deliveries=2"), 1);
    assert_int_equal(bench_query(look->bench, FAILED), 0);
}

/* A page, and one more, each time; a page that is just full is looked behind; then it waits for a minute. */
static void what_is_too_old_is_given_up_a_page_at_a_time(void **state)
{
    struct look *look = *state;
    store(look, PAGE + 1);
    look->upkeep.max_age_ms = AGE_MS;
    assert_int_equal(look_once(look, " undelivered "), PAGE);
    assert_int_equal(look->upkeep.look_due, 0);
    assert_int_equal(look_once(look, " undelivered "), 1);
    assert_in_range(look->upkeep.look_due, uv_hrtime() + 1, uv_hrtime() + 61000000000ull);
    bench_run_sql(look->bench, "UPDATE delivery SET due = created");
    assert_int_equal(look_once(look, " undelivered "), 0); /* not before its time */
    look->upkeep.look_due = 0;
    assert_int_equal(look_once(look, " undelivered "), PAGE); /* from the first row on */
}

static void what_failed_is_removed_a_page_at_a_time(void **state)
{
    struct look *look = *state;
    store(look, PAGE + 1);
    bench_run_sql(look->bench, "UPDATE delivery SET due = NULL");
    look->upkeep.keep_failed_ms = AGE_MS;
    assert_int_equal(look_once(look, " spool-expired deliveries=200"), 1);
    assert_int_equal(look->upkeep.look_due, 0);
    assert_int_equal(look_once(look, " spool-expired deliveries=1"), 1);
    assert_true(look->upkeep.look_due > 0);
    look->upkeep.look_due = 0;
    assert_int_equal(look_once(look, " spool-expired "), 0); /* nothing, and nothing is said */
}

/* One of many that is under way is neither given up nor said to be. */
static void what_is_leased_is_passed_over(void **state)
{
    struct look *look = *state;
    store(look, 3);
    look->upkeep.max_age_ms = AGE_MS;
    assert_int_equal(leases_take(&look->leases, 2, 1, 1), 0);
    assert_int_equal(look_once(look, " undelivered "), 2);
    assert_int_equal(bench_query(look->bench, "SELECT count(*) FROM delivery WHERE due IS NOT NULL "
                                              "AND row = 2"),
                     1);
}

/* ---- Room ---- */

static bool has_room(struct look *look, const char *body)
{
    struct delivery *d = bench_delivery("m-1", URL, body);
    struct commit commit = {.deliveries = d};
    bool room = upkeep_has_room(&look->upkeep, look->db, &commit);
    delivery_free(d);
    return room;
}

static void max_size_is_reached_by_what_was_taken_in(void **state)
{
    struct look *look = *state;
    uint64_t size;
    assert_int_equal(upkeep_measure(look->db, &size), 0);
    assert_true(size > 0);
    look->upkeep.max_size = size + 10;
    look->upkeep.size = size;
    look->upkeep.measure_due = UINT64_MAX; /* counted, not measured */
    assert_true(has_room(look, "12345"));
    assert_true(has_room(look, "12345")); /* to the octet */
    assert_false(atomic_load(&look->upkeep.full));
    assert_false(has_room(look, "1"));
    assert_true(atomic_load(&look->upkeep.full));
    assert_int_equal(look->upkeep.size, size + 10); /* what was refused takes none */
}

static void a_full_spool_has_room_again_at_95_of_a_hundred(void **state)
{
    struct look *look = *state;
    look->upkeep.max_size = 1000000;
    look->upkeep.measure_due = UINT64_MAX;
    look->upkeep.full = true;
    look->upkeep.size = 950001;
    assert_int_equal(look_once(look, " spool-recovered "), 0);
    assert_true(look->upkeep.full);
    look->upkeep.size = 950000;
    assert_int_equal(look_once(look, " spool-recovered "), 1);
    assert_false(look->upkeep.full);
    assert_int_equal(look_once(look, " spool-recovered "), 0); /* said once */
}

static void a_low_disk_is_said_once_and_ends(void **state)
{
    struct look *look = *state;
    look->upkeep.min_free = UINT64_MAX;
    assert_false(has_room(look, "x"));
    assert_true(look->upkeep.full);
    assert_int_equal(look_once(look, " spool-recovered "), 0);
    look->upkeep.min_free = 1;
    assert_int_equal(look_once(look, " spool-recovered "), 1);
    assert_true(has_room(look, "x"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_stored_is_not_said),
        TEST(what_is_not_removed_is_not_said),
        TEST(what_is_too_old_is_given_up_a_page_at_a_time),
        TEST(what_failed_is_removed_a_page_at_a_time),
        TEST(what_is_leased_is_passed_over),
        TEST(max_size_is_reached_by_what_was_taken_in),
        TEST(a_full_spool_has_room_again_at_95_of_a_hundred),
        TEST(a_low_disk_is_said_once_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
