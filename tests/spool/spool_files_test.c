/* What stands in files beside the database: kept with it, removed with it; and a disk that is full, or does not give it back. */
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

#define URL   "https://hooks.example.com/in"
#define COUNT "SELECT count(*) FROM delivery"

/* ---- Files ---- */

static struct spill *large_spill(const struct bench *bench, const char *name)
{
    static const char block[4096] = "block";
    struct spill *spill = spool_new_body(bench->spool, name);
    assert_non_null(spill);
    while (spill_size(spill) <= SPILL_THRESHOLD)
        assert_int_equal(spill_write(spill, block, sizeof block), 0);
    assert_int_equal(spill_sync(spill), 0);
    return spill;
}

static void a_large_payload_stays_in_its_file(void **state)
{
    struct bench *bench = *state;
    struct payload *payload = payload_new(large_spill(bench, "m-1.head"), NULL);
    uint64_t size = payload_size(payload);
    assert_int_equal(payload_memory(payload), 0);
    struct delivery *d = bench_delivery_of("m-1", URL, payload);
    payload_free(payload);
    assert_int_equal(bench_commit(bench, d, false), 0);
    delivery_free(d);
    assert_int_equal(bench_files(bench), 1);

    bench_close(bench);
    bench_open(bench); /* it is not taken for an orphan */
    d = bench_claim_one(bench);
    assert_int_equal(payload_size(d->payload), size);
    char *body = bench_body(d->payload);
    assert_string_equal(body + 4096, "block");
    free(body);
    spool_delivered(bench->spool, d);
    bench_wait_query(bench, COUNT, 0);
    bench_close(bench);
    assert_int_equal(bench_files(bench), 0);
}

static void a_file_without_a_delivery_is_removed_at_start(void **state)
{
    struct bench *bench = *state;
    spill_free(large_spill(bench, "m-9.head"));
    assert_int_equal(bench_files(bench), 1);
    bench_close(bench);
    bench_open(bench);
    assert_int_equal(bench_files(bench), 0);
}

static void a_payload_that_cannot_be_read_fails_its_delivery(void **state)
{
    struct bench *bench = *state;
    struct claim claim;
    struct payload *payload = payload_new(large_spill(bench, "m-1.head"), NULL);
    struct delivery *d = bench_delivery_of("m-1", URL, payload);
    spill_unlink(payload->head);
    payload_free(payload);
    assert_int_equal(bench_commit(bench, d, false), 0);
    delivery_free(d);
    bench_claim(bench, &claim, 10, 10);
    assert_null(claim.deliveries);
    assert_false(claim.more);
    assert_int_equal(bench_query(bench, "SELECT count(*) FROM delivery WHERE due IS NULL AND "
                                        "last_error LIKE '%file cannot be opened%'"),
                     1);
}

static void a_payload_in_a_nameless_file_is_refused(void **state)
{
    struct bench *bench = *state;
    struct payload *payload = payload_new(large_spill(bench, NULL), NULL);
    struct delivery *d = bench_delivery_of("m-1", URL, payload);
    payload_free(payload);
    assert_int_equal(bench_commit(bench, d, false), -EINVAL);
    delivery_free(d);
    assert_int_equal(bench_query(bench, COUNT), 0);
}

/* ---- A full disk ---- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_is_told_and_passes(void **state)
{
    struct bench *bench = *state;
    char *large = malloc(200001);
    memset(large, 'x', 200000);
    large[200000] = 0;
    signal(SIGXFSZ, SIG_IGN);
    bench_store(bench, "m-1", URL, "before");
    struct delivery *ended = bench_claim_one(bench);

    limit_files(100000); /* the log cannot grow */
    struct delivery *d = bench_delivery("m-2", URL, large);
    assert_int_equal(bench_commit(bench, d, true), -ENOSPC);
    assert_int_equal(bench_commit(bench, d, true), -ENOSPC);
    spool_delivered(bench->spool, ended);                    /* is not forgotten for that */
    assert_int_equal(bench_commit(bench, d, true), -ENOSPC); /* which comes after its first try */
    limit_files(RLIM_INFINITY);

    assert_int_equal(bench_commit(bench, d, true), 0);
    bench_wait_query(bench, COUNT, 1);
    spool_delivered(bench->spool, d);
    bench_wait_query(bench, COUNT, 0);
    free(large);
}

/* ---- What cannot be read ---- */

static void store_file(struct bench *bench, const char *id)
{
    char name[32];
    snprintf(name, sizeof name, "%s.head", id);
    struct payload *payload = payload_new(large_spill(bench, name), NULL);
    struct delivery *d = bench_delivery_of(id, URL, payload);
    payload_free(payload);
    assert_int_equal(bench_commit(bench, d, false), 0);
    delivery_free(d);
}

/* Its payload's file goes away, and comes back later. */
static void move_files(struct bench *bench, bool away)
{
    char bodies[128], aside[128];
    snprintf(bodies, sizeof bodies, "%s/bodies", bench->directory);
    snprintf(aside, sizeof aside, "%s/aside", bench->directory);
    assert_int_equal(away ? rename(bodies, aside) : rename(aside, bodies), 0);
}

/* It fails with its reason; once the file is there again, a retry finds it free to be claimed. */
static void what_is_lost_fails_and_can_be_retried(void **state)
{
    struct bench *bench = *state;
    struct claim claim;
    store_file(bench, "m-1");
    bench_store(bench, "m-2", URL, "sound");
    move_files(bench, true);
    bench_claim(bench, &claim, 10, 10);
    assert_non_null(claim.deliveries);
    assert_string_equal(claim.deliveries->id, "m-2");
    assert_null(claim.deliveries->next);
    spool_delivered(bench->spool, claim.deliveries);
    bench_wait_query(bench,
                     "SELECT count(*) FROM delivery WHERE id = 'm-1' AND due IS NULL AND "
                     "last_error LIKE '%payload%'",
                     1);
    move_files(bench, false);
    struct queue *queue;
    struct error err;
    assert_int_equal(queue_open(&bench->config, &queue, &err), 0);
    assert_int_equal(queue_retry(queue, "m-1", &err), 0);
    queue_close(queue);
    claim.deliveries = NULL;
    for (int look = 0; !claim.deliveries && look < 3;
         look++) { /* a change may be of what was before */
        bench_wait(bench, &bench->changes);
        bench->changes = 0;
        bench_claim(bench, &claim, 10, 10);
    }
    assert_non_null(claim.deliveries);
    assert_string_equal(claim.deliveries->id, "m-1");
    spool_delivered(bench->spool, claim.deliveries);
}

/* Without descriptors nothing is lost: it is tried again after a pause, and then claimed. */
static void without_descriptors_it_is_tried_again(void **state)
{
    struct bench *bench = *state;
    struct claim claim;
    struct rlimit before, none;
    store_file(bench, "m-1");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){3, before.rlim_max};
    int64_t from = clock_unix_ms();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bench_claim(bench, &claim, 10, 10);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_null(claim.deliveries);
    assert_false(claim.more);
    assert_in_range(claim.next_due_ms, from + 5000, clock_unix_ms() + 5000);
    assert_int_equal(bench_query(bench, "SELECT count(*) FROM delivery WHERE due IS NOT NULL"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_large_payload_stays_in_its_file),
        TEST(a_file_without_a_delivery_is_removed_at_start),
        TEST(a_payload_that_cannot_be_read_fails_its_delivery),
        TEST(a_payload_in_a_nameless_file_is_refused),
        TEST(a_full_disk_is_told_and_passes),
        TEST(what_is_lost_fails_and_can_be_retried),
        TEST(without_descriptors_it_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
