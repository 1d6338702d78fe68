/* What keeps the spool within its bounds: age, size, and what is nobody's (upkeep.h). */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define URL   "https://hooks.example.com/in"
#define COUNT "SELECT count(*) FROM delivery"

static void what_failed_too_long_ago_is_removed(void **state)
{
    struct bench *bench = *state;
    bench_store(bench, "old-1", URL, "x");
    bench_store(bench, "old-2", URL, "x");
    bench_store(bench, "waits", URL, "x");
    bench_store(bench, "young", URL, "x");
    bench_run_sql(bench, "UPDATE delivery SET created = created - 3600000 WHERE id <> 'young'");
    bench_run_sql(bench, "UPDATE delivery SET due = NULL WHERE id <> 'waits'");
    bench_close(bench);
    bench->config.keep_failed_ms = 3500000;
    bench_open(bench);
    bench_wait_query(bench, COUNT, 2);
    assert_int_equal(bench_query(bench, "SELECT count(*) FROM delivery WHERE id LIKE 'old%'"), 0);
}

static void what_waits_too_long_is_given_up(void **state)
{
    struct bench *bench = *state;
    bench_store(bench, "old", URL, "x");
    bench_store(bench, "old-again", URL, "x"); /* as `mxhook queue retry` leaves it */
    bench_store(bench, "unreached", URL, "x"); /* tried in vain: none of that was an attempt */
    bench_store(bench, "young", URL, "x");
    bench_run_sql(bench, "UPDATE delivery SET created = created - 3600000, due = due - 3600000 "
                         "WHERE id <> 'young'");
    bench_run_sql(bench, "UPDATE delivery SET due = due + 3600000 WHERE id = 'old-again'");
    bench_run_sql(bench, "UPDATE delivery SET due = due + 7200000, last_error = 'refused' "
                         "WHERE id = 'unreached'");
    bench_close(bench);
    bench->config.max_age_ms = 3500000;
    bench_open(bench);
    bench_wait_query(bench, "SELECT count(*) FROM delivery WHERE due IS NULL", 2);
    assert_int_equal(bench_query(bench, "SELECT count(*) FROM delivery WHERE due IS NULL AND id IN "
                                        "('old', 'unreached') "
                                        "AND last_error LIKE '%spool.max_age%'"),
                     2);
}

static void what_is_under_way_is_not_given_up(void **state)
{
    struct bench *bench = *state;
    bench_store(bench, "old", URL, "x");
    bench_run_sql(bench, "UPDATE delivery SET created = created - 3600000, due = due - 3600000");
    bench_store(bench, "older", "http://other.test/", "x");
    bench_run_sql(bench, "UPDATE delivery SET created = created - 3600000, due = due - 3600000 "
                         "WHERE id = 'older'");
    bench_close(bench);
    bench->config.max_age_ms = 3500000;
    struct claim claim;
    bench_open(bench);
    bench_claim(bench, &claim, 1, 1);
    assert_non_null(claim.deliveries);
    const char *id = claim.deliveries->id;
    bench_wait_query(bench, "SELECT count(*) FROM delivery WHERE due IS NULL", 1);
    char sql[120];
    snprintf(sql, sizeof sql, "SELECT due IS NULL FROM delivery WHERE id = '%s'", id);
    assert_int_equal(bench_query(bench, sql), 0);
    spool_release(bench->spool, claim.deliveries);
}

static void a_burst_gives_its_room_back(void **state)
{
    struct bench *bench = *state;
    char path[128];
    struct stat st;
    bench_store(bench, "kept", URL, "x");
    bench_close(bench); /* or its upkeep could see half of it */
    bench_run_sql(bench, "CREATE TABLE burst (bytes)");
    for (int i = 0; i < 70; i++)
        bench_run_sql(bench, "INSERT INTO burst VALUES (zeroblob(1048576))");
    bench_run_sql(bench, "DROP TABLE burst");
    snprintf(path, sizeof path, "%s/spool.db", bench->directory);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 70 << 20);
    bench_open(bench);
    for (int i = 0; st.st_size > 1 << 20; i++) {
        assert_true(i < 100);
        uv_sleep(100);
        assert_int_equal(stat(path, &st), 0);
    }
    assert_int_equal(bench_query(bench, COUNT), 1);
}

/* An index that misses what is there, as damage can make it. */
static void a_file_stays_while_its_message_waits(void **state)
{
    struct bench *bench = *state;
    char path[128];
    bench_store(bench, "m-1-1", URL, "x");
    bench_close(bench);
    const char *const names[] = {"m-1.tail", "m-2.tail"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/bodies/%s", bench->directory, names[i]);
        fclose(fopen(path, "w"));
    }
    bench_open(bench);
    assert_int_equal(bench_files(bench), 1);
    snprintf(path, sizeof path, "%s/bodies/m-1.tail", bench->directory);
    assert_int_equal(access(path, F_OK), 0);
}

/* A limit has two sides: up to it, and past it; and what leaves makes room. */
static void a_full_spool_takes_no_more(void **state)
{
    struct bench *bench = *state;
    bench_close(bench);
    const uint64_t empty = (uint64_t)bench_query(
        bench, "SELECT (SELECT page_count - freelist_count FROM pragma_page_count, "
               "pragma_freelist_count) * (SELECT page_size FROM pragma_page_size)");
    const size_t size = 100000;
    char *body = malloc(size + 1);
    memset(body, 'x', size);
    body[size] = 0;
    bench->config.max_size = empty + 2 * size;
    bench_open(bench);
    struct delivery *d[3];
    for (int i = 0; i < 3; i++) {
        char id[8];
        snprintf(id, sizeof id, "m-%d", i);
        d[i] = bench_delivery(id, URL, body);
        assert_int_equal(bench_commit(bench, d[i], true), i < 2 ? 0 : -ENOSPC);
    }
    spool_delivered(bench->spool, d[0]);
    bench_wait_query(bench, COUNT, 1);
    for (int i = 0, status = -ENOSPC; status != 0; i++) { /* measured once a second */
        assert_true(i < 50);
        uv_sleep(100);
        status = bench_commit(bench, d[2], true);
    }
    delivery_free(d[1]);
    delivery_free(d[2]);
    free(body);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_failed_too_long_ago_is_removed), TEST(what_waits_too_long_is_given_up),
        TEST(what_is_under_way_is_not_given_up),   TEST(a_full_spool_takes_no_more),
        TEST(a_burst_gives_its_room_back),         TEST(a_file_stays_while_its_message_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
