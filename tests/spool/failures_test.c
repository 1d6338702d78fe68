/* What has failed, by destination, status and reason (spool/failures.h): groups at their limits, and what is one reason. */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool/failures.h"

static void fail_as(struct bench *bench, int count, const char *url, int status, const char *error)
{
    char sql[1000];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO delivery (payload, origin, due, attempts, created, id, url, timeout_ms, "
             "attempts_max, sender, recipient, last_status, last_error) SELECT 1, 1, NULL, 1, "
             "1000 * ((SELECT count(*) FROM delivery) + i), 'm-' || ((SELECT count(*) FROM "
             "delivery) + i), replace('%s', '%%', i), 0, 0, '', '', %d, '%s' FROM n",
             count, url, status, error);
    bench_run_sql(bench, sql);
}

static struct failures read_all(struct bench *bench, size_t groups_max, size_t ids_max)
{
    struct failures f = {.groups_max = groups_max, .ids_max = ids_max};
    struct queue *queue;
    struct error err;
    if (queue_open(&bench->config, &queue, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(failures_read(&f, queue, &(struct queue_filter){0}, &err), 0);
    queue_close(queue);
    return f;
}

static void numbers_are_no_other_reason(void **state)
{
    static const struct {
        const char *error, *reason;
    } rows[] = {
        {"", ""},
        {"answered 500", ""},
        {"answered 500: broken", "broken"},
        {"answered: x", "answered: x"},
        {"answered 5", ""},
        {"Answered 500: x", "Answered #: x"},
        {"port 8080 and 9", "port # and #"},
        {"1a23b", "#a#b"},
        {": : x", "x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench *bench = *state;
        fail_as(bench, 1, "http://a/", 500, rows[i].error);
        struct failures f = read_all(bench, 0, 0);
        assert_int_equal(f.count, 1);
        assert_string_equal(f.list[0]->reason, rows[i].reason);
        failures_free(&f);
        bench_run_sql(bench, "DELETE FROM delivery");
    }
}

static void a_long_reason_is_cut(void **state)
{
    char error[FAILURE_REASON_SIZE + 2];
    memset(error, 'x', sizeof error);
    error[sizeof error - 1] = 0;
    fail_as(*state, 1, "http://a/", 0, error);
    struct failures f = read_all(*state, 0, 0);
    error[FAILURE_REASON_SIZE - 1] = 0;
    assert_string_equal(f.list[0]->reason, error);
    failures_free(&f);
}

static void the_largest_group_comes_first(void **state)
{
    struct bench *bench = *state;
    fail_as(bench, 2, "http://a/?key=1", 500, "x 1");
    fail_as(bench, 3, "http://a/", 404, "x 2");
    fail_as(bench, 1, "http://b/", 500, "x 3");
    fail_as(bench, 2, "http://user:pass@a/", 500, "x 44");
    fail_as(bench, 1, "http://c/", 500, "x");
    bench_run_sql(bench, "UPDATE delivery SET due = 1e15 WHERE url = 'http://c/'"); /* it waits */
    struct failures f = read_all(bench, 3, 8);
    assert_int_equal(f.count, 3);
    assert_int_equal(f.total, 8);
    assert_false(f.cut);
    static const struct {
        const char *destination, *example;
        int status;
        size_t count;
        int64_t first, last;
    } groups[] = {{"http://a/", "m-1", 500, 4, 1000, 8000},
                  {"http://a/", "m-3", 404, 3, 3000, 5000},
                  {"http://b/", "m-6", 500, 1, 6000, 6000}};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(f.list[i]->destination, groups[i].destination);
        assert_string_equal(f.list[i]->example, groups[i].example);
        assert_string_equal(f.list[i]->reason, "x #");
        assert_int_equal(f.list[i]->status, groups[i].status);
        assert_int_equal(f.list[i]->count, groups[i].count);
        assert_int_equal(f.list[i]->first_ms, groups[i].first);
        assert_int_equal(f.list[i]->last_ms, groups[i].last);
    }
    static const char *const ids[] = {"m-1", "m-2", "m-7", "m-8"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(f.list[0]->ids[i], ids[i]);
    failures_free(&f);
    assert_int_equal(f.count, 0);
}

/* As many as there may be, and one more: which is left out, and that is said. */
static void more_are_cut(void **state)
{
    struct bench *bench = *state;
    fail_as(bench, 65, "http://a/%/", 500, "x"); /* each another URL */
    fail_as(bench, 35, "http://b/", 500, "x");
    static const struct {
        size_t groups_max, ids_max, groups, total;
        bool cut;
    } rows[] = {{0, 0, 66, 100, false}, {66, 100, 66, 100, false}, {65, 100, 65, 65, true},
                {1, 100, 1, 1, true},   {66, 99, 66, 99, true},    {0, 1, 1, 1, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct failures f = read_all(bench, rows[i].groups_max, rows[i].ids_max);
        assert_int_equal(f.count, rows[i].groups);
        assert_int_equal(f.total, rows[i].total);
        assert_int_equal(f.cut, rows[i].cut);
        if (i == 1)
            assert_string_equal(f.list[0]->ids[34], "m-100");
        failures_free(&f);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_are_no_other_reason),
        TEST(a_long_reason_is_cut),
        TEST(the_largest_group_comes_first),
        TEST(more_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
