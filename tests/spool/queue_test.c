/* The spool as `mxhook queue` sees it, beside a server and without one. */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define URL   "https://hooks.example.com/in"
#define COUNT "SELECT count(*) FROM delivery"

static struct queue *open_queue(struct bench *bench)
{
    struct queue *queue;
    struct error err;
    if (queue_open(&bench->config, &queue, &err) != 0)
        fail_msg("%s", err.text);
    return queue;
}

/* Ends an attempt of the only one that is due. */
static void fail_one(struct bench *bench, int status, const char *error, int64_t due_ms, bool last)
{
    struct delivery *d = bench_claim_one(bench);
    unsigned attempts = ++d->attempts;
    char sql[100];
    d->last_status = status;
    d->last_error = error;
    d->last_at_ms = 1000 * (int64_t)d->attempts;
    d->last_ms = 7;
    d->last_reply = "why\n";
    d->last_reply_size = 4;
    d->due_ms = due_ms;
    snprintf(sql, sizeof sql, "SELECT count(*) FROM delivery WHERE attempts = %u", attempts);
    if (last)
        spool_failed(bench->spool, d);
    else
        spool_retry(bench->spool, d);
    bench_wait_query(bench, sql, 1);
}

struct seen {
    int count;
    char ids[200];
};

static int note(void *context, const struct delivery *d)
{
    struct seen *seen = context;
    seen->count++;
    strcat(strcat(seen->ids, d->id), " ");
    return 0;
}

static struct seen list(struct queue *queue, struct queue_filter filter)
{
    struct seen seen = {0, ""};
    assert_int_equal(queue_list(queue, &filter, note, &seen, NULL), 0);
    return seen;
}

static void a_list_shows_what_its_filter_finds(void **state)
{
    struct bench *bench = *state;
    bench_store(bench, "m-1", "https://a.example/", "x");
    fail_one(bench, 500, "answered 500", 0, true);
    int64_t between = clock_unix_ms() + 1;
    while (clock_unix_ms() <= between)
        usleep(500);
    bench_store(bench, "m-2", "https://b.example/", "x");
    struct queue *queue = open_queue(bench);
    assert_string_equal(list(queue, (struct queue_filter){0}).ids, "m-1 m-2 ");
    assert_string_equal(list(queue, (struct queue_filter){.failed_only = true}).ids, "m-1 ");
    assert_string_equal(list(queue, (struct queue_filter){.host = "B.example"}).ids, "m-2 ");
    assert_string_equal(list(queue, (struct queue_filter){.since_ms = between}).ids, "m-2 ");
    assert_string_equal(list(queue, (struct queue_filter){.until_ms = between}).ids, "m-1 ");
#define FINDS(ids_, ...)                                                                           \
    assert_string_equal(list(queue, (struct queue_filter){__VA_ARGS__}).ids, ids_)
    FINDS("m-1 ", .destination = "https://a.example/");
    FINDS("", .destination = "https://a.example");
    FINDS("", .destination = "");
    FINDS("m-1 m-2 ", .prefix = "https://");
    FINDS("m-2 ", .prefix = "https://b.");
    FINDS("", .prefix = "http://");
    FINDS("", .host = "example");
    FINDS("m-1 ", .has_status = true, .status = 500);
    FINDS("m-2 ", .has_status = true, .status = 0);
    FINDS("m-1 ", .error = "ANSWERED");
    FINDS("", .error = "refused");
    FINDS("m-1 m-2 ", .recipient = "C@d.example", .sender = "a@B.example");
    FINDS("", .recipient = "@d.example");
    FINDS("", .sender = "c@d.example");
    FINDS("m-1 ", .sender = "a@b.example", .failed_only = true, .host = "a.example");
    queue_close(queue);
}

static int note_position(void *context, const struct delivery *d)
{
    *(int64_t *)context = queue_position(d);
    return 0;
}

/* Of what has failed, and of all. */
static void a_list_goes_on_behind_one_that_has_gone(void **state)
{
    struct bench *bench = *state;
    for (int i = 1; i <= 3; i++) {
        char id[8];
        snprintf(id, sizeof id, "m-%d", i);
        bench_store(bench, id, URL, "x");
    }
    bench_run_sql(bench, "UPDATE delivery SET due = NULL");
    bench_store(bench, "m-4", URL, "x");
    struct queue *queue = open_queue(bench);
    struct queue_filter filter = {.until_ms = 0};
    int64_t position[5] = {0};
    for (int i = 1; i <= 4; i++) {
        struct delivery *d;
        char id[8];
        snprintf(id, sizeof id, "m-%d", i);
        assert_int_equal(queue_show(queue, id, &d, NULL), 0);
        position[i] = queue_position(d);
        assert_true(position[i] > position[i - 1]);
        delivery_free(d);
    }
    assert_int_equal(queue_list(queue, &filter, note_position, &position[0], NULL), 0);
    assert_int_equal(position[0], position[4]);
    assert_int_equal(queue_drop(queue, "m-2", NULL), 0);
    FINDS("m-3 m-4 ", .after = position[2]);
    FINDS("m-3 ", .after = position[2], .failed_only = true);
    FINDS("m-1 m-3 ", .failed_only = true);
    FINDS("", .after = position[4]);
    FINDS("", .after = position[3], .failed_only = true);
    queue_close(queue);
}

static int stop_at_once(void *context, const struct delivery *d)
{
    (void)d;
    ++*(int *)context;
    return 42;
}

static void a_list_ends_when_it_is_told_to(void **state)
{
    struct bench *bench = *state;
    struct queue_filter filter = {0};
    int count = 0;
    bench_store(bench, "m-1", URL, "x");
    bench_store(bench, "m-2", URL, "x");
    struct queue *queue = open_queue(bench);
    assert_int_equal(queue_list(queue, &filter, stop_at_once, &count, NULL), 42);
    assert_int_equal(count, 1);
    queue_close(queue);
}

static int sum_attempt(void *context, const struct queue_attempt *attempt)
{
    int *next = context;
    assert_int_equal(attempt->at_ms, 1000 * *next);
    assert_int_equal(attempt->ms, 7);
    assert_int_equal(attempt->status, 500 + *next);
    assert_string_equal(attempt->error, "broken");
    assert_int_equal(attempt->reply_size, 4);
    assert_memory_equal(attempt->reply, "why\n", 4);
    ++*next;
    return 0;
}

static void a_show_has_payload_and_attempts(void **state)
{
    struct bench *bench = *state;
    struct delivery *d;
    int next = 1;
    bench_store(bench, "m-1", URL, "{\"n\":1}");
    fail_one(bench, 501, "broken", 0, false);
    fail_one(bench, 502, "broken", 0, true);
    struct queue *queue = open_queue(bench);
    assert_int_equal(queue_show(queue, "m-1", &d, NULL), 0);
    assert_int_equal(d->state, DELIVERY_FAILED);
    assert_int_equal(d->attempts, 2);
    char *body = bench_body(d->payload);
    assert_string_equal(body, "{\"n\":1}");
    free(body);
    assert_int_equal(queue_attempts(queue, d, sum_attempt, &next, NULL), 0);
    assert_int_equal(next, 3);
    delivery_free(d);
    queue_close(queue);
}

static void the_latest_20_attempts_are_kept(void **state)
{
    struct bench *bench = *state;
    bench_store(bench, "m-1", URL, "x");
    for (int i = 0; i < 20; i++)
        fail_one(bench, 500, "broken", 0, false);
    assert_int_equal(bench_query(bench, "SELECT count(*) FROM attempt"), 20);
    assert_int_equal(bench_query(bench, "SELECT min(at) FROM attempt"), 1000);
    fail_one(bench, 500, "broken", 0, false);
    assert_int_equal(bench_query(bench, "SELECT count(*) FROM attempt"), 20);
    assert_int_equal(bench_query(bench, "SELECT min(at) FROM attempt"), 2000);
}

static void attempts_go_with_their_delivery(void **state)
{
    struct bench *bench = *state;
    bench_store(bench, "m-1", URL, "x");
    fail_one(bench, 500, "broken", 0, false);
    spool_delivered(bench->spool, bench_claim_one(bench));
    bench_wait_query(bench, COUNT, 0);
    assert_int_equal(bench_query(bench, "SELECT count(*) FROM attempt"), 0);
}

static void a_running_server_sees_a_retry(void **state)
{
    struct bench *bench = *state;
    struct error err;
    bench_store(bench, "m-1", URL, "x");
    fail_one(bench, 500, "broken", 0, true);
    bench_wait(bench, &bench->changes);
    bench->changes = 0;
    struct queue *queue = open_queue(bench);
    assert_int_equal(queue_retry(queue, "m-1", &err), 0);
    bench_wait(bench, &bench->changes);
    struct delivery *d = bench_claim_one(bench);
    assert_int_equal(d->attempts, 0);
    assert_int_equal(queue_retry(queue, "m-2", &err), -ENOENT);
    assert_string_equal(err.text, "m-2: no such delivery");
    queue_close(queue);
    spool_delivered(bench->spool, d);
}

static void a_retry_during_an_attempt_is_not_undone_by_its_end(void **state)
{
    struct bench *bench = *state;
    bench_store(bench, "m-1", URL, "x");
    fail_one(bench, 500, "broken", 0, false);
    struct delivery *d = bench_claim_one(bench);
    struct queue *queue = open_queue(bench);
    assert_int_equal(queue_retry(queue, "m-1", NULL), 0);
    d->attempts = 3;
    d->last_at_ms = 5;
    d->notice = bench_delivery("n-1", URL, "not to be told"); /* it has not failed, after all */
    spool_failed(bench->spool, d);
    bench_wait_query(bench, "SELECT count(*) FROM attempt", 2); /* it has been stored */
    assert_int_equal(bench_query(bench, "SELECT attempts FROM delivery"), 0);
    assert_int_equal(bench_query(bench, "SELECT due IS NULL FROM delivery"), 0);
    queue_close(queue);
}

static void a_drop_removes_all_of_it(void **state)
{
    struct bench *bench = *state;
    bench_store(bench, "m-1", URL, "x");
    fail_one(bench, 500, "broken", 0, true);
    struct queue *queue = open_queue(bench);
    assert_int_equal(queue_drop(queue, "m-1", NULL), 0);
    assert_int_equal(bench_query(bench, "SELECT (SELECT count(*) FROM delivery) + (SELECT "
                                        "count(*) FROM payload) + (SELECT count(*) FROM attempt)"),
                     0);
    assert_int_equal(queue_drop(queue, "m-1", NULL), -ENOENT);
    queue_close(queue);
}

/* More than one page of them. */
static void all_that_a_filter_finds_can_be_changed(void **state)
{
    struct bench *bench = *state;
    enum { N = 1100 };
    struct delivery *deliveries = NULL;
    for (int i = 0; i < N; i++) {
        char id[16];
        snprintf(id, sizeof id, "m-%d", i);
        struct delivery *d = bench_delivery(id, i % 2 ? "https://a/" : "https://b/", "x");
        d->next = deliveries;
        deliveries = d;
    }
    assert_int_equal(bench_commit(bench, deliveries, false), 0);
    bench_free_all(deliveries);
    bench_run_sql(bench, "UPDATE delivery SET due = NULL, attempts = 3");
    struct queue *queue = open_queue(bench);
    struct queue_filter a = {.destination = "https://a/"}, failed = {.failed_only = true};
    assert_int_equal(queue_drop_all(queue, &a, NULL), N / 2);
    assert_int_equal(bench_query(bench, COUNT), N / 2);
    assert_int_equal(queue_retry_all(queue, &failed, NULL), N / 2);
    assert_int_equal(queue_retry_all(queue, &failed, NULL), 0);
    queue_close(queue);
}

static void an_origin_that_is_held_back_is_not_claimed_and_shown(void **state)
{
    struct bench *bench = *state;
    struct claim claim;
    struct queue_origin origin = {0};
    struct held held = {.until_ms = clock_unix_ms() + 400,
                        .most = 1,
                        .failures = 11,
                        .origin = "https://hooks.example.com:443"};
    bench_store(bench, "m-1", URL, "x");
    bench_store(bench, "m-2", URL, "x");
    bench_store(bench, "m-3", "https://other.example/", "x");
    assert_int_equal(spool_hold(bench->spool, URL, &held), 0);
    spool_release(bench->spool, bench_claim_one(bench)); /* m-3 */
    struct queue *queue = open_queue(bench);
    assert_int_equal(queue_drop(queue, "m-3", NULL), 0);
    assert_int_equal(queue_origins(queue, bench_copy_origin, &origin, NULL), 0);
    assert_string_equal(origin.name, "https://hooks.example.com:443");
    assert_int_equal(origin.waiting, 2);
    assert_int_equal(origin.failures, 11);
    assert_true(origin.held_until_ms == held.until_ms);

    bench_claim(bench, &claim, 10, 10);
    assert_null(claim.deliveries);
    assert_true(claim.next_due_ms == held.until_ms);
    usleep(410000);
    spool_release(bench->spool, bench_claim_one(bench)); /* one of two: the probe */
    held.until_ms = held.most = 0;
    assert_int_equal(spool_hold(bench->spool, URL, &held), 0);
    bench_claim(bench, &claim, 10, 10);
    assert_non_null(claim.deliveries->next);
    spool_release(bench->spool, claim.deliveries->next);
    spool_release(bench->spool, claim.deliveries);
    assert_int_equal(queue_origins(queue, bench_copy_origin, &origin, NULL), 0);
    assert_int_equal(origin.held_until_ms, 0);
    queue_close(queue);
}

static void it_works_without_a_server(void **state)
{
    struct bench *bench = *state;
    bench_store(bench, "m-1", URL, "x");
    bench_close(bench);
    struct queue *queue = open_queue(bench);
    assert_int_equal(list(queue, (struct queue_filter){0}).count, 1);
    assert_int_equal(queue_drop(queue, "m-1", NULL), 0);
    queue_close(queue);
    bench_open(bench);
    assert_int_equal(bench_query(bench, COUNT), 0);
}

static void where_no_spool_is_it_says_so(void **state)
{
    struct bench *bench = *state;
    struct spool_config config = {.directory = "/tmp/mxhook-there-is-none"};
    struct queue *queue;
    struct error err;
    (void)bench;
    assert_int_equal(queue_open(&config, &queue, &err), -ENOENT);
    assert_string_equal(err.text, "/tmp/mxhook-there-is-none/spool.db: No such file or directory");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_shows_what_its_filter_finds),
        TEST(a_list_goes_on_behind_one_that_has_gone),
        TEST(a_list_ends_when_it_is_told_to),
        TEST(a_show_has_payload_and_attempts),
        TEST(the_latest_20_attempts_are_kept),
        TEST(attempts_go_with_their_delivery),
        TEST(a_running_server_sees_a_retry),
        TEST(a_retry_during_an_attempt_is_not_undone_by_its_end),
        TEST(a_drop_removes_all_of_it),
        TEST(all_that_a_filter_finds_can_be_changed),
        TEST(an_origin_that_is_held_back_is_not_claimed_and_shown),
        TEST(it_works_without_a_server),
        TEST(where_no_spool_is_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
