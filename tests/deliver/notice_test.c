/* deliver.on_failure: who is told of what has failed for good, and what. */
#include "rig.h"

#include <stdio.h>
#include <string.h>

/* Deliveries and notices go to the same receiver. */
static void start_with_options(struct rig *rig, const struct answer *answers, size_t count,
                               const char *table, const char *more)
{
    char options[400];
    rig->receiver = receiver_start(answers, count);
    snprintf(rig->url, sizeof rig->url, "http://127.0.0.1:%d/hook", receiver_port(rig->receiver));
    snprintf(options, sizeof options,
             "attempts = 2, on_failure = { url = 'http://u:pw@127.0.0.1:%d/failed?key=1', %s }, %s",
             receiver_port(rig->receiver), table, more);
    rig_start(rig, options);
    rig_wake_on_change(rig);
}

static void start_with_notice(struct rig *rig, const struct answer *answers, size_t count,
                              const char *table)
{
    start_with_options(rig, answers, count, table, "");
}

static void a_failure_is_told_once(void **state)
{
    struct rig *rig = *state;
    static const struct answer answers[] = {
        {.bytes = BUSY}, {.bytes = GONE}, {.bytes = BUSY}, {.bytes = OK}};
    start_with_notice(rig, answers, 4, "secret = 'plain'");
    struct delivery *d = bench_delivery("c-1-2", rig->url, "x");
    d->sender = arena_strdup(d->arena, "sender@client.test");
    d->recipient = arena_strdup(d->arena, "\"odd \xff\"@example.com");
    d->created_ms = 1795490319123;
    rig_post_delivery(rig, d);
    rig_run_until(rig, "SELECT count(*) FROM delivery WHERE due IS NOT NULL", 0);
    rig_run_until(rig, COUNT, 1);
    assert_int_equal(receiver_count(rig->receiver), 4);
    const struct received *first = receiver_request(rig->receiver, 2);
    const struct received *again = receiver_request(rig->receiver, 3);
    assert_ptr_equal(strstr(first->head, "POST /failed?key=1 HTTP/1.1\r\n"), first->head);
    assert_non_null(rig_header(rig, 2, "webhook-signature"));
    assert_int_equal(strncmp(rig_header(rig, 2, "webhook-id"), "c-1-2-", 6), 0);
    assert_int_equal(first->size, again->size);
    assert_memory_equal(first->body, again->body, first->size);

    char expected[1000], at[40], attempted[40];
    assert_int_equal(
        sscanf(first->body, "{\"type\":\"delivery.failed\",\"timestamp\":\"%39[^\"]", at), 1);
    assert_int_equal(sscanf(strstr(first->body, "attempted"), "attempted\":\"%39[^\"]", attempted),
                     1);
    snprintf(expected, sizeof expected,
             "{\"type\":\"delivery.failed\",\"timestamp\":\"%s\",\"data\":{\"id\":\"c-1-2\","
             "\"message\":\"c-1\",\"sender\":\"sender@client.test\","
             "\"recipient\":\"\\\"odd \xef\xbf\xbd\\\"@example.com\","
             "\"destination\":\"http://127.0.0.1:%d/hook\",\"attempts\":2,\"status\":410,"
             "\"error\":\"answered 410\",\"accepted\":\"2026-11-24T03:18:39.123Z\","
             "\"attempted\":\"%s\"}}",
             at, receiver_port(rig->receiver), attempted);
    assert_string_equal(first->body, expected);
}

static void a_failure_without_an_answer_has_no_status(void **state)
{
    struct rig *rig = *state;
    static const struct answer answers[] = {{.bytes = OK}};
    start_with_notice(rig, answers, 1, "");
    struct delivery *d = bench_delivery("m-1", "http://127.0.0.1:1/", "x");
    d->destination.attempts = 1;
    rig_post_delivery(rig, d);
    rig_run_until(rig, FAILED, 1);
    rig_run_until(rig, COUNT, 1);
    assert_int_equal(receiver_count(rig->receiver), 1);
    assert_non_null(strstr(receiver_request(rig->receiver, 0)->body, "\"status\":null,"));
    assert_non_null(strstr(receiver_request(rig->receiver, 0)->body, "Connection refused"));
}

static void a_notice_that_fails_is_told_to_nobody(void **state)
{
    struct rig *rig = *state;
    static const struct answer answers[] = {{.bytes = GONE}};
    start_with_notice(rig, answers, 1, "");
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 2);
    rig_run_for(rig, 100);
    assert_int_equal(bench_query(rig->bench, COUNT), 2);
    assert_int_equal(receiver_count(rig->receiver), 2);
    assert_int_equal(bench_query(rig->bench, "SELECT count(*) FROM delivery WHERE about = 'm-1'"),
                     1);
}

static void without_on_failure_nothing_is_told(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = GONE});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(bench_query(rig->bench, COUNT), 1);
}

/* The destination is held, and whoever looks after it learns until when. */
static void several_410_are_told_of(void **state)
{
    struct rig *rig = *state;
    static const struct answer answers[] = {
        {.bytes = GONE}, {.bytes = OK}, {.bytes = GONE}, {.bytes = OK}};
    start_with_options(rig, answers, 4, "", "gone_limit = 2");
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    rig_run_until(rig, COUNT, 1);
    rig_post(rig, "m-2", rig->url);
    rig_run_until(rig, FAILED, 2);
    rig_run_until(rig, COUNT, 2);
    assert_null(strstr(receiver_request(rig->receiver, 1)->body, "\"held_until\""));
    assert_non_null(strstr(receiver_request(rig->receiver, 3)->body, "\"held_until\":\"20"));
    assert_int_equal(bench_query(rig->bench, "SELECT count(*) FROM held WHERE lane <> 0"), 1);
    rig_post(rig, "m-3", rig->url); /* waits */
    rig_run_for(rig, 100);
    assert_int_equal(receiver_count(rig->receiver), 4);
    assert_int_equal(bench_query(rig->bench, COUNT), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_failure_is_told_once),
        RIG_TEST(a_failure_without_an_answer_has_no_status),
        RIG_TEST(a_notice_that_fails_is_told_to_nobody),
        RIG_TEST(several_410_are_told_of),
        RIG_TEST(without_on_failure_nothing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
