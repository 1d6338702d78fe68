/* The spool as its callers see it: what is committed is there, once, until it is done. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define URL   "https://hooks.example.com/in"
#define COUNT "SELECT count(*) FROM delivery"

/* ---- Commit, claim, end ---- */

static void a_claim_brings_back_all_that_was_stored(void **state)
{
    struct bench *bench = *state;
    const char *headers[] = {"Authorization: Bearer x", "X-Tenant: 7"};
    int64_t pauses[] = {5000, 60000, 86400000};
    struct destination destination = {.url = URL,
                                      .secret = "whsec_abc",
                                      .headers = headers,
                                      .header_count = 2,
                                      .timeout_ms = 1500,
                                      .attempts = 9,
                                      .schedule_ms = pauses,
                                      .schedule_count = 3,
                                      .rate = 0.25,
                                      .max_in_flight = 7,
                                      .max_body = 5000000000,
                                      .ca_file = "/ca",
                                      .client_cert = "/c",
                                      .client_key = "/k"};
    struct delivery *d = bench_delivery("m-1", URL, "{\"n\":1}");
    assert_int_equal(delivery_set_destination(d, &destination), 0);
    int64_t created = d->created_ms;
    assert_int_equal(bench_commit(bench, d, false), 0);
    delivery_free(d);

    d = bench_claim_one(bench);
    assert_string_equal(d->id, "m-1");
    assert_string_equal(d->destination.url, URL);
    assert_string_equal(d->destination.secret, "whsec_abc");
    assert_int_equal(d->destination.header_count, 2);
    assert_string_equal(d->destination.headers[0], "Authorization: Bearer x");
    assert_string_equal(d->destination.headers[1], "X-Tenant: 7");
    assert_int_equal(d->destination.timeout_ms, 1500);
    assert_int_equal(d->destination.attempts, 9);
    assert_int_equal(d->destination.schedule_count, 3);
    assert_memory_equal(d->destination.schedule_ms, pauses, sizeof pauses);
    assert_true(d->destination.rate == 0.25);
    assert_int_equal(d->destination.max_in_flight, 7);
    assert_int_equal(d->destination.max_body, 5000000000);
    assert_string_equal(d->destination.ca_file, "/ca");
    assert_string_equal(d->destination.client_cert, "/c");
    assert_string_equal(d->destination.client_key, "/k");
    assert_string_equal(d->sender, "a@b.example");
    assert_string_equal(d->recipient, "c@d.example");
    assert_int_equal(d->created_ms, created);
    assert_int_equal(d->attempts, 0);
    assert_string_equal(d->last_error, "");
    char *body = bench_body(d->payload);
    assert_string_equal(body, "{\"n\":1}");
    free(body);
    spool_release(bench->spool, d);
}

static void one_in_hand_is_not_claimed_again(void **state)
{
    struct bench *bench = *state;
    struct claim claim;
    struct delivery *d = bench_delivery("m-1", URL, "x");
    assert_int_equal(bench_commit(bench, d, true), 0);
    bench_claim(bench, &claim, 10, 10);
    assert_null(claim.deliveries);
    assert_false(claim.more);
    assert_true(claim.next_due_ms == INT64_MAX);
    spool_release(bench->spool, d);
    spool_release(bench->spool, bench_claim_one(bench));
}

static void what_is_delivered_is_gone(void **state)
{
    struct bench *bench = *state;
    bench_store(bench, "m-1", URL, "x");
    spool_delivered(bench->spool, bench_claim_one(bench));
    bench_wait_query(bench, COUNT, 0);
    assert_int_equal(bench_query(bench, "SELECT count(*) FROM payload"), 0);
}

static void a_retry_waits_until_it_is_due(void **state)
{
    struct bench *bench = *state;
    struct claim claim;
    bench_store(bench, "m-1", URL, "x");
    struct delivery *d = bench_claim_one(bench);
    int64_t due = d->due_ms = clock_unix_ms() + 300;
    d->attempts = 1;
    d->last_status = 503;
    d->last_error = "answered 503";
    spool_retry(bench->spool, d);
    bench_wait_query(bench, "SELECT attempts FROM delivery", 1);
    bench_claim(bench, &claim, 10, 10);
    assert_null(claim.deliveries);
    assert_true(claim.next_due_ms == due);
    usleep(310000);
    d = bench_claim_one(bench);
    assert_int_equal(d->attempts, 1);
    assert_int_equal(d->last_status, 503);
    assert_string_equal(d->last_error, "answered 503");
    spool_delivered(bench->spool, d);
}

static void a_failed_one_is_kept_and_not_claimed(void **state)
{
    struct bench *bench = *state;
    struct claim claim;
    bench_store(bench, "m-1", URL, "x");
    struct delivery *d = bench_claim_one(bench);
    d->attempts = 3;
    spool_failed(bench->spool, d);
    bench_wait_query(bench, "SELECT count(*) FROM delivery WHERE due IS NULL", 1);
    bench_claim(bench, &claim, 10, 10);
    assert_null(claim.deliveries);
}

static struct delivery *failed_with_notice(struct bench *bench, struct delivery *notice)
{
    bench_store(bench, "m-1", URL, "x");
    struct delivery *d = bench_claim_one(bench);
    d->attempts = 3;
    notice->about = arena_strdup(notice->arena, d->id);
    d->notice = notice;
    return d;
}

static void a_failure_s_notice_is_stored_with_it_and_due(void **state)
{
    struct bench *bench = *state;
    struct delivery *d = failed_with_notice(bench, bench_delivery("n-1", URL, "told"));
    bench->changes = 0;
    spool_failed(bench->spool, d);
    bench_wait(bench, &bench->changes);
    assert_int_equal(bench_query(bench, "SELECT count(*) FROM delivery WHERE due IS NULL"), 1);
    struct delivery *notice = bench_claim_one(bench);
    assert_string_equal(notice->id, "n-1");
    assert_string_equal(notice->about, "m-1");
    char *body = bench_body(notice->payload);
    assert_string_equal(body, "told");
    free(body);
    spool_delivered(bench->spool, notice);
}

static void a_failure_is_not_stored_without_its_notice(void **state)
{
    struct bench *bench = *state;
    struct spill *nameless = spill_new(bench->directory, NULL);
    static char large[SPILL_THRESHOLD + 1];
    assert_int_equal(spill_write(nameless, large, sizeof large), 0);
    struct payload *payload = payload_new(nameless, NULL);
    spool_failed(bench->spool, failed_with_notice(bench, bench_delivery_of("n-1", URL, payload)));
    payload_free(payload);
    struct delivery *again = bench_claim_one(bench);
    assert_string_equal(again->id, "m-1");
    assert_int_equal(bench_query(bench, "SELECT count(*) FROM delivery WHERE due IS NOT NULL"), 1);
    spool_delivered(bench->spool, again);
}

static void claims_keep_their_limits(void **state)
{
    struct bench *bench = *state;
    struct claim claim;
    char id[16];
    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof id, "m-%d", i);
        bench_store(bench, id, i < 4 ? "http://a.example/" : "http://b.example/", "x");
    }
    bench_claim(bench, &claim, 10, 3);
    int of_a = 0, of_b = 0;
    for (struct delivery *d = claim.deliveries, *next; d; d = next) {
        next = d->next;
        of_a += d->destination.url[7] == 'a';
        of_b += d->destination.url[7] == 'b';
        spool_release(bench->spool, d);
    }
    assert_int_equal(of_a, 3);
    assert_int_equal(of_b, 2);
    assert_true(claim.more);

    bench_claim(bench, &claim, 6, 10);
    int count = 0;
    for (struct delivery *d = claim.deliveries, *next; d; d = next, count++) {
        next = d->next;
        spool_release(bench->spool, d);
    }
    assert_int_equal(count, 6);
    assert_false(claim.more);
}

static void set_claimed(struct claim *claim)
{
    *(int *)claim->context = 1;
}

static void a_claim_stops_at_its_bytes(void **state)
{
    struct bench *bench = *state;
    bench_store(bench, "m-1", URL, "0123456789");
    bench_store(bench, "m-2", URL, "0123456789");
    int done = 0;
    struct claim claim = {
        .limit = 10, .per_origin = 10, .bytes = 10, .done = set_claimed, .context = &done};
    spool_claim(bench->spool, &claim);
    bench_wait(bench, &done);
    assert_non_null(claim.deliveries);
    assert_string_equal(claim.deliveries->id, "m-1"); /* the older one */
    assert_null(claim.deliveries->next);
    assert_true(claim.more);
    spool_release(bench->spool, claim.deliveries);
}

static void a_commit_without_a_lease_is_told(void **state)
{
    struct bench *bench = *state;
    bench_store(bench, "m-1", URL, "x");
    bench_wait(bench, &bench->changes);
}

/* ---- Sharing ---- */

static void what_is_shared_is_stored_once(void **state)
{
    struct bench *bench = *state;
    struct spill *tail = spill_from_bytes("TAIL", 4);
    struct payload *first = payload_new(spill_from_bytes("one-", 4), spill_ref(tail));
    struct payload *second = payload_new(spill_from_bytes("two-", 4), tail);
    struct delivery *list = NULL;
    struct payload *of[] = {first, second, first, second};
    for (int i = 0; i < 4; i++) {
        char id[8];
        snprintf(id, sizeof id, "m-%d", i);
        struct delivery *d = bench_delivery_of(id, URL, of[i]);
        d->next = list;
        list = d;
    }
    payload_free(first);
    payload_free(second);
    assert_int_equal(bench_commit(bench, list, true), 0);
    assert_int_equal(bench_query(bench, "SELECT count(*) FROM payload"), 2);
    assert_int_equal(bench_query(bench, "SELECT count(*) FROM tail"), 1);

    for (int left = 3; left >= 0; left--) { /* each goes with the last one that needs it */
        struct delivery *d = list;
        list = d->next;
        spool_delivered(bench->spool, d);
        bench_wait_query(bench, COUNT, left);
        assert_int_equal(bench_query(bench, "SELECT count(*) FROM payload"), left > 2 ? 2 : left);
        assert_int_equal(bench_query(bench, "SELECT count(*) FROM tail"), left > 0);
    }
}

static void a_claim_gets_shared_payloads_back(void **state)
{
    struct bench *bench = *state;
    struct claim claim;
    struct payload *payload =
        payload_new(spill_from_bytes("head+", 5), spill_from_bytes("tail", 4));
    struct delivery *one = bench_delivery_of("m-1", URL, payload);
    struct delivery *two = bench_delivery_of("m-2", URL, payload);
    one->next = two;
    payload_free(payload);
    assert_int_equal(bench_commit(bench, one, false), 0);
    delivery_free(one);
    delivery_free(two);
    bench_claim(bench, &claim, 10, 10);
    assert_ptr_equal(claim.deliveries->payload, claim.deliveries->next->payload);
    char *body = bench_body(claim.deliveries->payload);
    assert_string_equal(body, "head+tail");
    free(body);
    spool_delivered(bench->spool, claim.deliveries->next);
    spool_delivered(bench->spool, claim.deliveries);
    bench_wait_query(bench, "SELECT (SELECT count(*) FROM payload) + (SELECT count(*) FROM tail)",
                     0);
}

/* ---- Groups ---- */

enum { GROUP = 300 };

struct group {
    struct bench *bench;
    int left, failed, done;
};

static void count_commit(struct commit *commit)
{
    struct group *group = commit->context;
    group->failed += commit->status != 0;
    group->done = --group->left == 0;
    delivery_free(commit->deliveries);
}

/* Hands in commits all at once; the one with number `bad` cannot be stored. */
static void commit_group(struct bench *bench, struct group *group, int bad)
{
    static struct commit commits[GROUP];
    *group = (struct group){bench, GROUP, 0, 0};
    for (int i = 0; i < GROUP; i++) {
        char id[16];
        snprintf(id, sizeof id, "g-%d", i);
        struct delivery *d = bench_delivery(id, URL, "x");
        if (i == bad)
            d->recipient = NULL; /* the table asks for one */
        commits[i] = (struct commit){.deliveries = d, .done = count_commit, .context = group};
        spool_commit(bench->spool, &commits[i]);
    }
    bench_wait(bench, &group->done);
}

static void many_commits_are_all_stored(void **state)
{
    struct group group;
    commit_group(*state, &group, -1);
    assert_int_equal(group.failed, 0);
    assert_int_equal(bench_query(*state, COUNT), GROUP);
}

static void one_that_fails_does_not_harm_the_others(void **state)
{
    struct group group;
    commit_group(*state, &group, GROUP / 2);
    assert_int_equal(group.failed, 1);
    assert_int_equal(bench_query(*state, COUNT), GROUP - 1);
    assert_int_equal(bench_query(*state, "SELECT count(*) FROM payload"), GROUP - 1);
    assert_int_equal(bench_query(*state, "SELECT count(*) FROM delivery WHERE id = 'g-150'"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_claim_brings_back_all_that_was_stored),
        TEST(one_in_hand_is_not_claimed_again),
        TEST(what_is_delivered_is_gone),
        TEST(a_retry_waits_until_it_is_due),
        TEST(a_failed_one_is_kept_and_not_claimed),
        TEST(a_failure_s_notice_is_stored_with_it_and_due),
        TEST(a_failure_is_not_stored_without_its_notice),
        TEST(claims_keep_their_limits),
        TEST(a_claim_stops_at_its_bytes),
        TEST(a_commit_without_a_lease_is_told),
        TEST(what_is_shared_is_stored_once),
        TEST(a_claim_gets_shared_payloads_back),
        TEST(many_commits_are_all_stored),
        TEST(one_that_fails_does_not_harm_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
