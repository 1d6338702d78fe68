/* Deliveries on their way from a real spool to a real receiver, and what becomes of each. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Outcomes ---- */

static void a_200_delivers(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 1);
    const struct received *r = receiver_request(rig->receiver, 0);
    assert_string_equal(r->body, "{\"subject\":\"hi\"}");
    assert_ptr_equal(strstr(r->head, "POST /hook HTTP/1.1\r\n"), r->head);
    assert_string_equal(rig_header(rig, 0, "content-type"), "application/json");
    assert_string_equal(rig_header(rig, 0, "user-agent"), "mxhook/" MXHOOK_VERSION);
    assert_string_equal(rig_header(rig, 0, "webhook-id"), "m-1");
    assert_in_range(atoll(rig_header(rig, 0, "webhook-timestamp")), r->at_ms / 1000 - 60,
                    r->at_ms / 1000);
    assert_null(rig_header(rig, 0, "webhook-signature"));
    assert_null(rig_header(rig, 0, "expect"));
}

static void what_waits_in_the_spool_goes_out_at_start(void **state)
{
    struct rig *rig = *state;
    static const struct answer answers[] = {{.bytes = OK}};
    rig->receiver = receiver_start(answers, 1);
    snprintf(rig->url, sizeof rig->url, "http://127.0.0.1:%d/", receiver_port(rig->receiver));
    for (int i = 0; i < 20; i++)
        bench_store(rig->bench, "m-1", rig->url, "x");
    rig_start(rig, "");
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 20);
}

static void a_503_is_tried_again_with_the_same_bytes(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = BUSY}, {.bytes = OK});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 2);
    const struct received *first = receiver_request(rig->receiver, 0);
    const struct received *second = receiver_request(rig->receiver, 1);
    assert_int_equal(first->size, second->size);
    assert_memory_equal(first->body, second->body, first->size);
    assert_string_equal(rig_header(rig, 1, "webhook-id"), "m-1");
    assert_true(second->at_ms - first->at_ms >= 50);
}

static void after_the_last_attempt_it_is_kept_as_failed(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = BUSY});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(receiver_count(rig->receiver), 3);
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 3);
    assert_int_equal(bench_query(rig->bench, STATE("last_status")), 503);
    rig_check_error(rig, "answered 503: too busy !");
}

static void a_destination_has_its_own_number_of_attempts(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = BUSY});
    struct delivery *d = bench_delivery("m-1", rig->url, "x");
    d->destination.attempts = 1;
    rig_post_delivery(rig, d);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(receiver_count(rig->receiver), 1);
}

static void a_410_ends_it_at_once(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = GONE});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(receiver_count(rig->receiver), 1);
}

static void a_redirect_is_a_failure_that_names_its_target(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = MOVED});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(receiver_count(rig->receiver), 3);
    rig_check_error(rig, "answered 302, a redirect to https://else.example/x: not followed");
}

static void retry_after_is_honoured(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = "HTTP/1.1 429 Slow\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"},
          {.bytes = OK});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
    assert_true(receiver_request(rig->receiver, 1)->at_ms -
                    receiver_request(rig->receiver, 0)->at_ms >=
                1000);
}

static void a_retry_after_far_away_is_bounded(void **state)
{
    struct rig *rig = *state;
    START(rig, "",
          {.bytes = "HTTP/1.1 503 Slow\r\nretry-after: 999999999\r\ncontent-length: 0\r\n\r\n"});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, TRIES(""), 1);
    long long pause = bench_query(rig->bench, STATE("due - created"));
    assert_in_range(pause, 24 * 3600 * 1000, 24 * 3600 * 1000 + 10000); /* no jitter past it */
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 0);
}

static void the_reply_s_first_bytes_are_kept(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = BUSY});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(bench_query(rig->bench, "SELECT count(*) FROM attempt WHERE status = 503 AND "
                                             "hex(reply) = '746F6F0A627573790121'"),
                     3);
}

static void what_is_no_url_fails_at_once(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "");
    rig_post(rig, "m-1", "ftp://127.0.0.1/x");
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 1);
    rig_check_error(rig, "%ftp%");
}

static void headers_of_a_destination_go_out_as_they_are(void **state)
{
    struct rig *rig = *state;
    const char *headers[] = {"User-Agent: theirs/1", "X-Empty: ", "X-Full: a", "X-Nothing:"};
    START(rig, "", {.bytes = OK});
    struct delivery *d = bench_delivery("m-1", rig->url, "x");
    struct destination to = {.url = rig->url, .headers = headers, .header_count = 4};
    assert_int_equal(delivery_set_destination(d, &to), 0);
    rig_post_delivery(rig, d);
    rig_run_until(rig, COUNT, 0);
    const char *head = receiver_request(rig->receiver, 0)->head;
    assert_string_equal(rig_header(rig, 0, "user-agent"), "theirs/1");
    assert_null(strstr(head, "mxhook/"));
    assert_string_equal(rig_header(rig, 0, "x-empty"), "");
    assert_string_equal(rig_header(rig, 0, "x-nothing"), "");
    assert_string_equal(rig_header(rig, 0, "x-full"), "a");
}

static void check_max_body(struct rig *rig, uint64_t most, const char *sql, int expected)
{
    struct delivery *d = bench_delivery("m-1", rig->url, "0123456789");
    d->destination.max_body = most;
    rig_post_delivery(rig, d);
    rig_run_until(rig, sql, expected);
}

static void a_body_that_is_too_large_fails_without_being_sent(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    check_max_body(rig, 10, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 1);
    check_max_body(rig, 9, FAILED, 1);
    rig_check_error(rig, "its payload has 10 bytes, more than max_body (9): not sent");
    assert_int_equal(receiver_count(rig->receiver), 1);
}

static void the_same_limit_is_configured_for_all_others(void **state)
{
    struct rig *rig = *state;
    START(rig, "max_body = 9", {.bytes = OK});
    check_max_body(rig, 0, FAILED, 1);
    rig_check_error(rig, "its payload has 10 bytes, more than max_body (9): not sent");
    assert_int_equal(receiver_count(rig->receiver), 0);
    check_max_body(rig, 10, COUNT, 1); /* one that failed is left */
    assert_int_equal(receiver_count(rig->receiver), 1);
}

static void a_destination_s_limits_are_kept(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK, .delay_ms = 20});
    for (int i = 0; i < 12; i++) {
        struct delivery *d = bench_delivery("m-1", rig->url, "x");
        d->destination.max_in_flight = 2;
        d->destination.rate = i < 6 ? 0 : 10;
        rig_post_delivery(rig, d);
    }
    rig_run_until(rig, COUNT, 0);
    assert_in_range(receiver_most_at_once(rig->receiver), 1, 2);
    assert_true(receiver_request(rig->receiver, 11)->at_ms -
                    receiver_request(rig->receiver, 0)->at_ms >=
                500);
}

/* ---- Connections and limits ---- */

static void connections_are_kept(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    for (int i = 0; i < 5; i++) {
        rig_post(rig, "m-1", rig->url);
        rig_run_until(rig, COUNT, 0);
    }
    assert_int_equal(receiver_count(rig->receiver), 5);
    assert_int_equal(receiver_connections(rig->receiver), 1);
}

static void an_origin_has_no_more_requests_than_its_limit(void **state)
{
    struct rig *rig = *state;
    START(rig, "max_per_origin = 3", {.bytes = OK, .delay_ms = 20});
    for (int i = 0; i < 30; i++)
        rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 30);
    assert_in_range(receiver_most_at_once(rig->receiver), 1,
                    3); /* a busy machine may do one by one */
}

static void all_have_no_more_requests_than_the_limit(void **state)
{
    struct rig *rig = *state;
    START(rig, "max_in_flight = 2", {.bytes = OK, .delay_ms = 20});
    for (int i = 0; i < 10; i++)
        rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
    assert_in_range(receiver_most_at_once(rig->receiver), 1,
                    2); /* a busy machine may do one by one */
}

static void a_backlog_larger_than_the_hand_goes_out(void **state)
{
    struct rig *rig = *state;
    static const struct answer answers[] = {{.bytes = OK}};
    rig->receiver = receiver_start(answers, 1);
    snprintf(rig->url, sizeof rig->url, "http://127.0.0.1:%d/", receiver_port(rig->receiver));
    rig_store(rig, 3000);
    rig_start(rig, "");
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 3000);
}

/* ---- The breaker ---- */

static void a_dead_origin_is_left_alone_and_probed(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 100, breaker_failures = 3, breaker_pause = '2s', max_per_origin = 1",
          {.bytes = BUSY}, {.bytes = BUSY}, {.bytes = BUSY}, {.bytes = OK});
    for (int i = 0; i < 10; i++)
        rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, "SELECT count(*) FROM held WHERE failures = 3", 1);
    assert_int_equal(receiver_count(rig->receiver), 3);
    rig_run_until(rig, "SELECT sum(attempts) FROM delivery", 3);
    assert_int_equal(bench_query(rig->bench, "SELECT count(*) FROM delivery WHERE attempts = 0"),
                     7); /* those that wait for it lose no attempt */
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 13);
    assert_true(receiver_request(rig->receiver, 3)->at_ms -
                    receiver_request(rig->receiver, 2)->at_ms >=
                1900);
    assert_int_equal(bench_query(rig->bench, "SELECT count(*) FROM held"), 0);
}

/* A thousand wait for one that says nothing: those for another are all delivered before any of its first attempts has
 * ended, which none does while this waits. So nothing waited for one. */
static void a_dead_origin_delays_no_other(void **state)
{
    struct rig *rig = *state;
    static const struct answer silence[] = {{.bytes = OK, .delay_ms = 20000}};
    struct receiver *dead = receiver_start(silence, 1);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", receiver_port(dead));
    START(rig, "attempts = 100, timeout = '60s', max_per_origin = 5", {.bytes = OK});
    struct delivery *list = NULL;
    for (int i = 0; i < 1000; i++) {
        struct delivery *d = bench_delivery("dead-1", url, "x");
        d->next = list;
        list = d;
    }
    assert_int_equal(bench_commit(rig->bench, list, true), 0);
    deliver_take(rig->deliver, list);
    for (int i = 0; i < 100; i++)
        rig_post(rig, "live-1", rig->url);
    rig_run_until(rig, "SELECT count(*) FROM delivery WHERE id = 'live-1'", 0);
    assert_true(receiver_count(dead) <= 5);
    assert_int_equal(bench_query(rig->bench, COUNT), 1000);
    assert_int_equal(bench_query(rig->bench, TRIES("")), 0);
    rig_stop(rig);
    receiver_stop(dead);
}

/* ---- Stopping ---- */

static void set_flag(void *context)
{
    *(int *)context = 1;
}

static void a_stop_waits_for_what_is_under_way(void **state)
{
    struct rig *rig = *state;
    START(rig, "max_in_flight = 1", {.bytes = OK, .delay_ms = 100});
    rig_post(rig, "m-1", rig->url);
    rig_post(rig, "m-2", rig->url);
    rig_run_for(rig, 50);
    int idle = 0;
    deliver_stop(rig->deliver, set_flag, &idle);
    assert_false(deliver_has_room(rig->deliver));
    assert_int_equal(idle, 0);
    bench_wait(rig->bench, &idle);
    assert_int_equal(receiver_count(rig->receiver), 1);
    rig_stop(rig);
    bench_wait_query(rig->bench, "SELECT count(*) FROM delivery WHERE id = 'm-2'", 1);
}

static void a_stop_without_anything_under_way_is_told_too(void **state)
{
    struct rig *rig = *state;
    int idle = 0;
    rig_start(rig, "");
    deliver_stop(rig->deliver, set_flag, &idle);
    assert_int_equal(idle, 0);
    bench_wait(rig->bench, &idle);
}

static void what_is_broken_off_stays_in_the_spool(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK, .delay_ms = 20000});
    rig_post(rig, "m-1", rig->url);
    struct payload *payload = rig_large_payload(rig, 0);
    struct delivery *d = bench_delivery_of("m-2", rig->url, payload);
    payload_free(payload);
    d->destination.secret = "abc";
    rig_post_delivery(rig, d); /* a thread signs it, or has not begun */
    rig_stop(rig);
    bench_close(rig->bench);
    assert_int_equal(bench_query(rig->bench, STATE("count(*) = 2 AND sum(attempts) = 0")), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_200_delivers),
        RIG_TEST(what_waits_in_the_spool_goes_out_at_start),
        RIG_TEST(a_503_is_tried_again_with_the_same_bytes),
        RIG_TEST(after_the_last_attempt_it_is_kept_as_failed),
        RIG_TEST(a_destination_has_its_own_number_of_attempts),
        RIG_TEST(a_410_ends_it_at_once),
        RIG_TEST(a_redirect_is_a_failure_that_names_its_target),
        RIG_TEST(retry_after_is_honoured),
        RIG_TEST(a_retry_after_far_away_is_bounded),
        RIG_TEST(the_reply_s_first_bytes_are_kept),
        RIG_TEST(what_is_no_url_fails_at_once),
        RIG_TEST(headers_of_a_destination_go_out_as_they_are),
        RIG_TEST(a_body_that_is_too_large_fails_without_being_sent),
        RIG_TEST(the_same_limit_is_configured_for_all_others),
        RIG_TEST(a_destination_s_limits_are_kept),
        RIG_TEST(connections_are_kept),
        RIG_TEST(an_origin_has_no_more_requests_than_its_limit),
        RIG_TEST(all_have_no_more_requests_than_the_limit),
        RIG_TEST(a_backlog_larger_than_the_hand_goes_out),
        RIG_TEST(a_dead_origin_is_left_alone_and_probed),
        RIG_TEST(a_dead_origin_delays_no_other),
        RIG_TEST(a_stop_waits_for_what_is_under_way),
        RIG_TEST(a_stop_without_anything_under_way_is_told_too),
        RIG_TEST(what_is_broken_off_stays_in_the_spool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
