/* Deliveries on their way from a real spool to a real receiver, and what becomes of each. */
#include "../spool/bench.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "deliver/deliver.h"
#include "receiver.h"

#define OK   "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
#define BUSY "HTTP/1.1 503 Busy\r\ncontent-length: 10\r\n\r\ntoo\nbusy\x01!"
#define GONE "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"
#define MOVED                                                                                      \
    "HTTP/1.1 302 Found\r\nlocation: https://u:p@else.example/x?secret=1\r\n"                      \
    "content-length: 0\r\n\r\n"
#define STATE(expression) "SELECT " expression " FROM delivery"
#define FAILED            "SELECT count(*) FROM delivery WHERE due IS NULL"
#define COUNT             "SELECT count(*) FROM delivery"

struct rig {
    struct bench *bench;
    struct config *config;
    struct deliver *deliver;
    struct receiver *receiver;
    char url[64];
};

static struct config *make_config(const struct rig *rig, const char *deliver)
{
    char path[128];
    struct config *config;
    struct error err;
    snprintf(path, sizeof path, "%s/mxhook.lua", rig->bench->directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "domains = { 'example.com' }\n"
            "deliver = { schedule = { '50ms' }, connect_timeout = '1s', timeout = '2s', %s }\n",
            deliver);
    fclose(file);
    if (config_load(path, &config, &err) != 0)
        fail_msg("%s", err.text);
    return config;
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    bench_set_up((void **)&rig->bench);
    *state = rig;
    return 0;
}

static void start(struct rig *rig, const char *deliver_options)
{
    struct error err;
    rig->config = make_config(rig, deliver_options);
    assert_int_equal(
        deliver_new(&rig->bench->loop, rig->config, rig->bench->spool, &rig->deliver, &err), 0);
    deliver_start(rig->deliver);
}

/* With a receiver that answers so. */
static void start_with(struct rig *rig, const char *deliver_options, const struct answer *answers,
                       size_t count)
{
    rig->receiver = receiver_start(answers, count);
    snprintf(rig->url, sizeof rig->url, "http://127.0.0.1:%d/hook", receiver_port(rig->receiver));
    start(rig, deliver_options);
}

#define START(rig, options, ...)                                                                   \
    static const struct answer answers[] = {__VA_ARGS__};                                          \
    start_with(rig, options, answers, sizeof answers / sizeof *answers)

static void stop(struct rig *rig)
{
    deliver_free(rig->deliver);
    config_unref(rig->config);
    rig->deliver = NULL;
    rig->config = NULL;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    if (rig->deliver)
        stop(rig);
    receiver_stop(rig->receiver);
    bench_tear_down((void **)&rig->bench);
    free(rig);
    return 0;
}

static void tick(uv_timer_t *timer)
{
    (void)timer;
}

/* Runs the loop until the query gives that number; ten seconds at most. */
static void run_until(struct rig *rig, const char *sql, long long expected)
{
    uv_timer_t timer;
    int64_t until = clock_monotonic_ms() + 10000, next = 0;
    uv_timer_init(&rig->bench->loop, &timer);
    uv_timer_start(&timer, tick, 5, 5);
    long long found = expected - 1;
    while (found != expected && clock_monotonic_ms() < until) {
        uv_run(&rig->bench->loop, UV_RUN_ONCE);
        if (clock_monotonic_ms() >= next) {
            found = bench_query(rig->bench, sql);
            next = clock_monotonic_ms() + 20;
        }
    }
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&rig->bench->loop, UV_RUN_NOWAIT);
    assert_int_equal(found, expected);
}

static void run_for(struct rig *rig, int ms)
{
    uv_timer_t timer;
    int64_t until = clock_monotonic_ms() + ms;
    uv_timer_init(&rig->bench->loop, &timer);
    uv_timer_start(&timer, tick, 5, 5);
    while (clock_monotonic_ms() < until)
        uv_run(&rig->bench->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&rig->bench->loop, UV_RUN_NOWAIT);
}

static void post_delivery(struct rig *rig, struct delivery *d)
{
    assert_true(deliver_has_room(rig->deliver));
    assert_int_equal(bench_commit(rig->bench, d, true), 0);
    deliver_take(rig->deliver, d);
}

static void post(struct rig *rig, const char *id, const char *url)
{
    post_delivery(rig, bench_delivery(id, url, "{\"subject\":\"hi\"}"));
}

static const char *header(const struct rig *rig, size_t request, const char *name)
{
    static char value[512];
    return received_header(receiver_request(rig->receiver, request), name, value);
}

static void check_error(const struct rig *rig, const char *like)
{
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM delivery WHERE last_error LIKE '%s'", like);
    if (bench_query(rig->bench, sql) != 1) {
        bench_run_sql(rig->bench, "SELECT 1");
        fail_msg("no delivery has an error like %s", like);
    }
}

/* ---- Outcomes ---- */

static void a_200_delivers(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    post(rig, "m-1", rig->url);
    run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 1);
    const struct received *r = receiver_request(rig->receiver, 0);
    assert_string_equal(r->body, "{\"subject\":\"hi\"}");
    assert_ptr_equal(strstr(r->head, "POST /hook HTTP/1.1\r\n"), r->head);
    assert_string_equal(header(rig, 0, "content-type"), "application/json");
    assert_string_equal(header(rig, 0, "user-agent"), "mxhook/" MXHOOK_VERSION);
    assert_string_equal(header(rig, 0, "webhook-id"), "m-1");
    assert_in_range(atoll(header(rig, 0, "webhook-timestamp")), r->at_ms / 1000 - 2,
                    r->at_ms / 1000);
    assert_null(header(rig, 0, "webhook-signature"));
    assert_null(header(rig, 0, "expect"));
}

static void what_waits_in_the_spool_goes_out_at_start(void **state)
{
    struct rig *rig = *state;
    static const struct answer answers[] = {{.bytes = OK}};
    rig->receiver = receiver_start(answers, 1);
    snprintf(rig->url, sizeof rig->url, "http://127.0.0.1:%d/", receiver_port(rig->receiver));
    for (int i = 0; i < 20; i++)
        bench_store(rig->bench, "m-1", rig->url, "x");
    start(rig, "");
    run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 20);
}

static void a_503_is_tried_again_with_the_same_bytes(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = BUSY}, {.bytes = OK});
    post(rig, "m-1", rig->url);
    run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 2);
    const struct received *first = receiver_request(rig->receiver, 0);
    const struct received *second = receiver_request(rig->receiver, 1);
    assert_int_equal(first->size, second->size);
    assert_memory_equal(first->body, second->body, first->size);
    assert_string_equal(header(rig, 1, "webhook-id"), "m-1");
    assert_true(second->at_ms - first->at_ms >= 50);
}

static void after_the_last_attempt_it_is_kept_as_failed(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = BUSY});
    post(rig, "m-1", rig->url);
    run_until(rig, FAILED, 1);
    assert_int_equal(receiver_count(rig->receiver), 3);
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 3);
    assert_int_equal(bench_query(rig->bench, STATE("last_status")), 503);
    check_error(rig, "answered 503: too busy !");
}

static void a_destination_has_its_own_number_of_attempts(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = BUSY});
    struct delivery *d = bench_delivery("m-1", rig->url, "x");
    d->destination.attempts = 1;
    post_delivery(rig, d);
    run_until(rig, FAILED, 1);
    assert_int_equal(receiver_count(rig->receiver), 1);
}

static void a_410_ends_it_at_once(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = GONE});
    post(rig, "m-1", rig->url);
    run_until(rig, FAILED, 1);
    assert_int_equal(receiver_count(rig->receiver), 1);
}

static void a_redirect_is_a_failure_that_names_its_target(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = MOVED});
    post(rig, "m-1", rig->url);
    run_until(rig, FAILED, 1);
    assert_int_equal(receiver_count(rig->receiver), 3);
    check_error(rig, "answered 302, a redirect to https://else.example/x: not followed");
}

static void retry_after_is_honoured(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = "HTTP/1.1 429 Slow\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"},
          {.bytes = OK});
    post(rig, "m-1", rig->url);
    run_until(rig, COUNT, 0);
    assert_true(receiver_request(rig->receiver, 1)->at_ms -
                    receiver_request(rig->receiver, 0)->at_ms >=
                1000);
}

static void a_retry_after_far_away_is_bounded(void **state)
{
    struct rig *rig = *state;
    START(rig, "",
          {.bytes = "HTTP/1.1 503 Slow\r\nretry-after: 999999999\r\ncontent-length: 0\r\n\r\n"});
    post(rig, "m-1", rig->url);
    run_until(rig, STATE("attempts"), 1);
    long long pause = bench_query(rig->bench, STATE("due - created"));
    assert_in_range(pause, 24 * 3600 * 1000, 27 * 3600 * 1000);
}

/* ---- Notices of failures ---- */

static void wake(void *context)
{
    struct rig *rig = context;
    if (rig->deliver)
        deliver_wake(rig->deliver);
}

/* Deliveries and notices go to the same receiver. */
static void start_with_notice(struct rig *rig, const struct answer *answers, size_t count,
                              const char *table)
{
    char options[300];
    rig->receiver = receiver_start(answers, count);
    snprintf(rig->url, sizeof rig->url, "http://127.0.0.1:%d/hook", receiver_port(rig->receiver));
    snprintf(options, sizeof options,
             "attempts = 2, on_failure = { url = 'http://u:pw@127.0.0.1:%d/failed?key=1', %s }",
             receiver_port(rig->receiver), table);
    start(rig, options);
    spool_on_change(rig->bench->spool, wake, rig);
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
    post_delivery(rig, d);
    run_until(rig, "SELECT count(*) FROM delivery WHERE due IS NOT NULL", 0);
    run_until(rig, COUNT, 1);
    assert_int_equal(receiver_count(rig->receiver), 4);
    const struct received *first = receiver_request(rig->receiver, 2);
    const struct received *again = receiver_request(rig->receiver, 3);
    assert_ptr_equal(strstr(first->head, "POST /failed?key=1 HTTP/1.1\r\n"), first->head);
    assert_non_null(header(rig, 2, "webhook-signature"));
    assert_int_equal(strncmp(header(rig, 2, "webhook-id"), "c-1-2-", 6), 0);
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
    post(rig, "m-1", "http://127.0.0.1:1/");
    run_until(rig, FAILED, 1);
    run_until(rig, COUNT, 1);
    assert_int_equal(receiver_count(rig->receiver), 1);
    assert_non_null(strstr(receiver_request(rig->receiver, 0)->body, "\"status\":null,"));
    assert_non_null(strstr(receiver_request(rig->receiver, 0)->body, "Connection refused"));
}

static void a_notice_that_fails_is_told_to_nobody(void **state)
{
    struct rig *rig = *state;
    static const struct answer answers[] = {{.bytes = GONE}};
    start_with_notice(rig, answers, 1, "");
    post(rig, "m-1", rig->url);
    run_until(rig, FAILED, 2);
    run_for(rig, 100);
    assert_int_equal(bench_query(rig->bench, COUNT), 2);
    assert_int_equal(receiver_count(rig->receiver), 2);
    assert_int_equal(bench_query(rig->bench, "SELECT count(*) FROM delivery WHERE about = 'm-1'"),
                     1);
}

static void without_on_failure_nothing_is_told(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = GONE});
    post(rig, "m-1", rig->url);
    run_until(rig, FAILED, 1);
    assert_int_equal(bench_query(rig->bench, COUNT), 1);
}

/* ---- Broken receivers ---- */

static void a_refused_connection_is_tried_again(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    receiver_stop(rig->receiver);
    rig->receiver = NULL;
    post(rig, "m-1", rig->url);
    run_until(rig, FAILED, 1);
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 3);
    assert_int_equal(bench_query(rig->bench, STATE("last_status")), 0);
    check_error(rig, "%Connection refused%");
}

static void one_that_says_nothing_times_out(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1, first_byte_timeout = '150ms'", {.bytes = OK, .delay_ms = 20000});
    post(rig, "m-1", rig->url);
    run_until(rig, FAILED, 1);
    check_error(rig, "no answer within 0.15 s (deliver.first_byte_timeout)");
    assert_in_range(bench_query(rig->bench, "SELECT ms FROM attempt"), 150, 1500);
}

static void one_that_closes_half_way_is_tried_again(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = "", .read_only = 5, .close = true}, {.bytes = OK});
    post(rig, "m-1", rig->url);
    run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 2);
}

/* A body of more than fits into the sockets' buffers. */
static void post_large(struct rig *rig)
{
    char *body = calloc(1, 8 << 20);
    memset(body, 'x', (8 << 20) - 1);
    post_delivery(rig, bench_delivery("m-1", rig->url, body));
    free(body);
}

static void a_yes_to_half_a_body_is_none(void **state)
{
    struct rig *rig = *state;
    START(
        rig, "attempts = 1",
        {.bytes = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", .read_only = 10, .close = true});
    post_large(rig);
    run_until(rig, FAILED, 1);
    assert_int_equal(bench_query(rig->bench, STATE("last_status")), 0);
}

static void a_yes_whose_own_body_breaks_off_is_one(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nha", .close = true});
    post(rig, "m-1", rig->url);
    run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 1);
}

static void headers_without_end_are_broken_off(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1",
          {.bytes = "HTTP/1.1 200 OK\r\n", .repeat = "x-header: 0123456789\r\n"});
    post(rig, "m-1", rig->url);
    run_until(rig, FAILED, 1);
    check_error(rig, "its headers do not end");
}

static void a_reply_without_end_is_cut(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = "HTTP/1.1 200 OK\r\n\r\n", .repeat = "0123456789abcdef"});
    post(rig, "m-1", rig->url);
    run_until(rig, COUNT, 0);
}

static void a_100_continue_is_not_the_answer(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1", {.bytes = "HTTP/1.1 100 Continue\r\n\r\n" BUSY});
    post(rig, "m-1", rig->url);
    run_until(rig, FAILED, 1);
    assert_int_equal(bench_query(rig->bench, STATE("last_status")), 503);
}

static void what_is_no_url_fails_at_once(void **state)
{
    struct rig *rig = *state;
    start(rig, "");
    post(rig, "m-1", "ftp://127.0.0.1/x");
    run_until(rig, FAILED, 1);
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 1);
}

/* ---- Connections and limits ---- */

static void connections_are_kept(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    for (int i = 0; i < 5; i++) {
        post(rig, "m-1", rig->url);
        run_until(rig, COUNT, 0);
    }
    assert_int_equal(receiver_count(rig->receiver), 5);
    assert_int_equal(receiver_connections(rig->receiver), 1);
}

static void an_origin_has_no_more_requests_than_its_limit(void **state)
{
    struct rig *rig = *state;
    START(rig, "max_per_origin = 3", {.bytes = OK, .delay_ms = 20});
    for (int i = 0; i < 30; i++)
        post(rig, "m-1", rig->url);
    run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 30);
    assert_int_equal(receiver_most_at_once(rig->receiver), 3);
}

static void all_have_no_more_requests_than_the_limit(void **state)
{
    struct rig *rig = *state;
    START(rig, "max_in_flight = 2", {.bytes = OK, .delay_ms = 20});
    for (int i = 0; i < 10; i++)
        post(rig, "m-1", rig->url);
    run_until(rig, COUNT, 0);
    assert_int_equal(receiver_most_at_once(rig->receiver), 2);
}

static void a_backlog_larger_than_the_hand_goes_out(void **state)
{
    struct rig *rig = *state;
    static const struct answer answers[] = {{.bytes = OK}};
    rig->receiver = receiver_start(answers, 1);
    snprintf(rig->url, sizeof rig->url, "http://127.0.0.1:%d/", receiver_port(rig->receiver));
    struct delivery *list = NULL;
    for (int i = 0; i < 3000; i++) {
        struct delivery *d = bench_delivery("m-1", rig->url, "x");
        d->next = list;
        list = d;
    }
    assert_int_equal(bench_commit(rig->bench, list, false), 0);
    for (struct delivery *next; list; list = next) {
        next = list->next;
        delivery_free(list);
    }
    start(rig, "");
    run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 3000);
}

/* ---- The breaker ---- */

static void a_dead_origin_is_left_alone_and_probed(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 100, breaker_failures = 3, breaker_pause = '2s', max_per_origin = 1",
          {.bytes = BUSY}, {.bytes = BUSY}, {.bytes = BUSY}, {.bytes = OK});
    for (int i = 0; i < 10; i++)
        post(rig, "m-1", rig->url);
    run_until(rig, "SELECT count(*) FROM held WHERE failures = 3", 1);
    assert_int_equal(receiver_count(rig->receiver), 3);
    run_until(rig, "SELECT sum(attempts) FROM delivery", 3);
    assert_int_equal(bench_query(rig->bench, "SELECT count(*) FROM delivery WHERE attempts = 0"),
                     7); /* those that wait for it lose no attempt */
    run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 13);
    assert_true(receiver_request(rig->receiver, 3)->at_ms -
                    receiver_request(rig->receiver, 2)->at_ms >=
                1900);
    assert_int_equal(bench_query(rig->bench, "SELECT count(*) FROM held"), 0);
}

/* A thousand wait for one that says nothing; those for another go out as if there were none. */
static void a_dead_origin_delays_no_other(void **state)
{
    struct rig *rig = *state;
    static const struct answer silence[] = {{.bytes = OK, .delay_ms = 20000}};
    struct receiver *dead = receiver_start(silence, 1);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", receiver_port(dead));
    START(rig, "attempts = 100, timeout = '100ms', max_per_origin = 5", {.bytes = OK});
    struct delivery *list = NULL;
    for (int i = 0; i < 1000; i++) {
        struct delivery *d = bench_delivery("dead-1", url, "x");
        d->next = list;
        list = d;
    }
    assert_int_equal(bench_commit(rig->bench, list, true), 0);
    deliver_take(rig->deliver, list);
    for (int i = 0; i < 100; i++)
        post(rig, "live-1", rig->url);
    run_until(rig, "SELECT count(*) FROM delivery WHERE id = 'live-1'", 0);
    assert_true(receiver_count(dead) <= 30);
    assert_int_equal(bench_query(rig->bench, COUNT), 1000);
    stop(rig);
    receiver_stop(dead);
}

/* ---- Routes ---- */

static void a_private_address_is_refused_where_the_configuration_says_so(void **state)
{
    struct rig *rig = *state;
    START(rig, "deny_private = true", {.bytes = OK});
    post(rig, "m-1", rig->url);
    run_until(rig, FAILED, 1);
    check_error(rig, "its address is not public (deny_private)");
    assert_int_equal(receiver_connections(rig->receiver), 0);
    snprintf(rig->url, sizeof rig->url, "http://localhost:%d/", receiver_port(rig->receiver));
    post(rig, "m-2", rig->url); /* a name that leads there is no better */
    run_until(rig, FAILED, 2);
    assert_int_equal(receiver_connections(rig->receiver), 0);
}

static void the_environment_s_proxy_is_not_used(void **state)
{
    struct rig *rig = *state;
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    START(rig, "", {.bytes = OK});
    post(rig, "m-1", rig->url);
    run_until(rig, COUNT, 0);
    unsetenv("http_proxy");
}

static void a_proxy_of_the_configuration_is_used(void **state)
{
    struct rig *rig = *state;
    char options[100];
    static const struct answer answers[] = {{.bytes = OK}};
    rig->receiver = receiver_start(answers, 1);
    snprintf(options, sizeof options, "proxy = 'http://127.0.0.1:%d'",
             receiver_port(rig->receiver));
    start(rig, options);
    post(rig, "m-1", "http://nowhere.invalid/x");
    run_until(rig, COUNT, 0);
    assert_ptr_equal(strstr(receiver_request(rig->receiver, 0)->head,
                            "POST http://nowhere.invalid/x HTTP/1.1\r\n"),
                     receiver_request(rig->receiver, 0)->head);
}

static void a_name_that_does_not_resolve_is_tried_again(void **state)
{
    struct rig *rig = *state;
    start(rig, "attempts = 2");
    post(rig, "m-1", "http://nowhere.invalid/x");
    run_until(rig, FAILED, 1);
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 2);
    check_error(rig, "Could not resolve host%");
}

static void the_source_address_is_as_configured(void **state)
{
    struct rig *rig = *state;
    START(rig, "source_address = '127.0.0.9'", {.bytes = OK});
    post(rig, "m-1", rig->url);
    run_until(rig, COUNT, 0);
    assert_string_equal(receiver_request(rig->receiver, 0)->from, "127.0.0.9");
}

static void a_byte_a_second_is_cut_by_the_whole_timeout(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1", {.bytes = "HTTP/1.1 200 OK\r\n", .repeat = "x", .pause_ms = 100});
    struct delivery *d = bench_delivery("m-1", rig->url, "x");
    d->destination.timeout_ms = 500;
    post_delivery(rig, d);
    run_until(rig, FAILED, 1);
    check_error(rig, "not done within 0.5 s, inside the answer (the destination''s timeout)");
}

static void one_that_answers_in_time_is_not_cut(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1, first_byte_timeout = '1s'", {.bytes = OK, .delay_ms = 100});
    for (int i = 0; i < 3; i++) { /* on a new connection, and on a kept one */
        post(rig, "m-1", rig->url);
        run_until(rig, COUNT, 0);
    }
    assert_int_equal(receiver_count(rig->receiver), 3);
}

/* The limit of the first byte does not count while our own body is on its way, nor the idle one
 * while the receiver thinks. */
static void each_limit_counts_in_its_own_time_only(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1, first_byte_timeout = '5s', idle_timeout = '1s', timeout = '9s'",
          {.bytes = OK, .delay_ms = 1500});
    post(rig, "m-1", rig->url);
    run_until(rig, COUNT, 0);
}

static void a_pause_inside_the_answer_is_cut(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1, idle_timeout = '1s', timeout = '9s'",
          {.bytes = "HTTP/1.1 200 OK\r\nx-a: b\r\n", .repeat = "x", .pause_ms = 20000});
    post(rig, "m-1", rig->url);
    run_until(rig, FAILED, 1);
    check_error(rig, "no progress for 1 s inside the answer (deliver.idle_timeout)");
}

static void one_that_takes_no_byte_of_the_body_is_cut(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1, idle_timeout = '1s', first_byte_timeout = '100ms', timeout = '9s'",
          {.bytes = OK, .read_only = 10, .delay_ms = 20000});
    post_large(rig);
    run_until(rig, FAILED, 1);
    check_error(rig, "no progress for 1 s while it was sent (deliver.idle_timeout)");
}

static void one_that_does_not_finish_the_handshake_is_cut(void **state)
{
    struct rig *rig = *state;
    char url[64];
    START(rig, "attempts = 1, connect_timeout = '1s', timeout = '9s'",
          {.bytes = OK, .delay_ms = 20000});
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", receiver_port(rig->receiver));
    for (int i = 0; i < 5; i++) /* four wait whether the first one's connection can be shared */
        post(rig, "m-1", url);
    run_until(rig, FAILED, 5);
    run_until(rig,
              "SELECT count(*) FROM delivery WHERE last_error = "
              "'no connection within 1 s (deliver.connect_timeout)'",
              5);
    assert_in_range(bench_query(rig->bench, "SELECT max(ms) FROM attempt"), 1000, 4000);
}

static void the_reply_s_first_bytes_are_kept(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = BUSY});
    post(rig, "m-1", rig->url);
    run_until(rig, FAILED, 1);
    assert_int_equal(bench_query(rig->bench, "SELECT count(*) FROM attempt WHERE status = 503 AND "
                                             "hex(reply) = '746F6F0A627573790121'"),
                     3);
}

/* ---- Bodies ---- */

static struct payload *large_payload(struct rig *rig, size_t tail_size)
{
    struct spill *head = spill_new(spool_body_directory(rig->bench->spool), "m-1.head");
    struct spill *tail = spill_from_bytes("", 0);
    char line[16];
    for (int i = 0; spill_size(head) < 3 * SPILL_THRESHOLD; i++) {
        snprintf(line, sizeof line, "%09d\n", i);
        assert_int_equal(spill_write(head, line, 10), 0);
    }
    for (size_t i = 0; i < tail_size; i++)
        assert_int_equal(spill_write(tail, "t", 1), 0);
    assert_int_equal(spill_sync(head), 0);
    return payload_new(head, tail);
}

static void a_large_body_arrives_whole_each_time(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = "", .read_only = 300000, .close = true}, {.bytes = BUSY},
          {.bytes = OK});
    struct payload *payload = large_payload(rig, 1000);
    char *expected = bench_body(payload);
    size_t size = (size_t)payload_size(payload);
    struct delivery *d = bench_delivery_of("m-1", rig->url, payload);
    payload_free(payload);
    d->destination.secret = "abc"; /* signed in a thread */
    post_delivery(rig, d);
    run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 3);
    for (size_t i = 1; i < 3; i++) {
        const struct received *r = receiver_request(rig->receiver, i);
        assert_int_equal(r->size, size);
        assert_memory_equal(r->body, expected, size);
        assert_non_null(header(rig, i, "webhook-signature"));
    }
    free(expected);
}

static void the_signature_is_that_of_standard_webhooks(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    struct delivery *d = bench_delivery("m-1", rig->url, "{\"test\": 2432232314}");
    d->destination.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw plain";
    post_delivery(rig, d);
    run_until(rig, COUNT, 0);

    static const unsigned char key[] = {0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a,
                                        0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c,
                                        0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0};
    char text[200], expected[200] = "v1,";
    unsigned char hash[32];
    int size = snprintf(text, sizeof text, "m-1.%s.{\"test\": 2432232314}",
                        header(rig, 0, "webhook-timestamp"));
    HMAC(EVP_sha256(), key, sizeof key, (unsigned char *)text, (size_t)size, hash, NULL);
    EVP_EncodeBlock((unsigned char *)expected + 3, hash, 32);
    strcat(expected, " v1,");
    HMAC(EVP_sha256(), "plain", 5, (unsigned char *)text, (size_t)size, hash, NULL);
    EVP_EncodeBlock((unsigned char *)expected + strlen(expected), hash, 32);
    assert_string_equal(header(rig, 0, "webhook-signature"), expected);
}

/* What a secret named so signs with must be "plain". */
static void check_reference(struct rig *rig, const char *reference)
{
    char text[200], expected[100] = "v1,";
    unsigned char hash[32];
    struct delivery *d = bench_delivery("m-1", rig->url, "body");
    size_t request = receiver_count(rig->receiver);
    d->destination.secret = reference;
    post_delivery(rig, d);
    run_until(rig, COUNT, 0);
    int size =
        snprintf(text, sizeof text, "m-1.%s.body", header(rig, request, "webhook-timestamp"));
    HMAC(EVP_sha256(), "plain", 5, (unsigned char *)text, (size_t)size, hash, NULL);
    EVP_EncodeBlock((unsigned char *)expected + 3, hash, 32);
    assert_string_equal(header(rig, request, "webhook-signature"), expected);
}

static void a_secret_may_stand_in_a_file_or_the_environment(void **state)
{
    struct rig *rig = *state;
    char reference[128];
    START(rig, "", {.bytes = OK});
    snprintf(reference, sizeof reference, "file:%s/secret", rig->bench->directory);
    FILE *file = fopen(reference + 5, "w");
    fputs("plain\n", file);
    fclose(file);
    check_reference(rig, reference);
    setenv("MXHOOK_TEST_SECRET", "plain", 1);
    check_reference(rig, "env:MXHOOK_TEST_SECRET");

    struct delivery *d = bench_delivery("m-2", rig->url, "x");
    d->destination.secret = "env:MXHOOK_THERE_IS_NONE";
    d->destination.attempts = 1;
    post_delivery(rig, d);
    run_until(rig, FAILED, 1);
    check_error(rig, "its secret: env:MXHOOK_THERE_IS_NONE is not set");
}

static void a_secret_that_cannot_sign_fails_it(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    struct delivery *d = bench_delivery("m-1", rig->url, "x");
    d->destination.secret = "whsec_!!!";
    post_delivery(rig, d);
    run_until(rig, FAILED, 1);
    assert_int_equal(receiver_count(rig->receiver), 0);
}

static void a_destination_has_headers_of_its_own(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    const char *headers[] = {"Authorization: Bearer 123", "X-Tenant: seven"};
    struct destination destination = {.url = rig->url, .headers = headers, .header_count = 2};
    struct delivery *d = bench_delivery("m-1", rig->url, "x");
    assert_int_equal(delivery_set_destination(d, &destination), 0);
    post_delivery(rig, d);
    run_until(rig, COUNT, 0);
    assert_string_equal(header(rig, 0, "authorization"), "Bearer 123");
    assert_string_equal(header(rig, 0, "x-tenant"), "seven");
}

static void post_with_headers(struct rig *rig, const char *const *headers, size_t count)
{
    struct destination destination = {
        .url = rig->url, .headers = (const char **)headers, .header_count = count, .attempts = 1};
    struct delivery *d = bench_delivery("m-1", rig->url, "x");
    assert_int_equal(delivery_set_destination(d, &destination), 0);
    post_delivery(rig, d);
}

static void a_header_s_value_may_stand_in_a_file_or_the_environment(void **state)
{
    struct rig *rig = *state;
    char file[128];
    START(rig, "", {.bytes = OK});
    snprintf(file, sizeof file, "Authorization=file:%s/token", rig->bench->directory);
    FILE *token = fopen(file + strlen("Authorization=file:"), "w");
    fputs("Bearer 123\n", token);
    fclose(token);
    setenv("MXHOOK_TEST_KEY", "key", 1);
    const char *headers[] = {"X-Literal: env:MXHOOK_TEST_KEY", file, "X-Key=env:MXHOOK_TEST_KEY"};
    post_with_headers(rig, headers, 3);
    run_until(rig, COUNT, 0);
    post_with_headers(rig, &headers[2], 1); /* no thread is needed */
    run_until(rig, COUNT, 0);
    assert_string_equal(header(rig, 0, "authorization"), "Bearer 123");
    assert_string_equal(header(rig, 0, "x-literal"), "env:MXHOOK_TEST_KEY");
    assert_string_equal(header(rig, 0, "x-key"), "key");
    assert_string_equal(header(rig, 1, "x-key"), "key");
}

static void a_header_s_value_that_is_not_there_fails_it(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    setenv("MXHOOK_TEST_KEY", "two\nlines", 1);
    const char *headers[] = {"X-Key=env:MXHOOK_TEST_KEY", "X-Key=file:/nowhere/key"};
    post_with_headers(rig, headers, 1);
    run_until(rig, FAILED, 1);
    check_error(rig, "env:MXHOOK_TEST_KEY holds a control character");
    post_with_headers(rig, headers + 1, 1);
    run_until(rig, FAILED, 2);
    check_error(rig, "file:/nowhere/key: No such file%");
    assert_int_equal(receiver_count(rig->receiver), 0);
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
    post(rig, "m-1", rig->url);
    post(rig, "m-2", rig->url);
    run_for(rig, 50);
    int idle = 0;
    deliver_stop(rig->deliver, set_flag, &idle);
    assert_false(deliver_has_room(rig->deliver));
    assert_int_equal(idle, 0);
    bench_wait(rig->bench, &idle);
    assert_int_equal(receiver_count(rig->receiver), 1);
    stop(rig);
    bench_wait_query(rig->bench, "SELECT count(*) FROM delivery WHERE id = 'm-2'", 1);
}

static void a_stop_without_anything_under_way_is_told_too(void **state)
{
    struct rig *rig = *state;
    int idle = 0;
    start(rig, "");
    deliver_stop(rig->deliver, set_flag, &idle);
    assert_int_equal(idle, 0);
    bench_wait(rig->bench, &idle);
}

static void what_is_broken_off_stays_in_the_spool(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK, .delay_ms = 20000});
    post(rig, "m-1", rig->url);
    struct payload *payload = large_payload(rig, 0);
    struct delivery *d = bench_delivery_of("m-2", rig->url, payload);
    payload_free(payload);
    d->destination.secret = "abc";
    post_delivery(rig, d); /* a thread signs it, or has not begun */
    stop(rig);
    bench_close(rig->bench);
    assert_int_equal(bench_query(rig->bench, STATE("count(*) = 2 AND sum(attempts) = 0")), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_200_delivers),
        TEST(what_waits_in_the_spool_goes_out_at_start),
        TEST(a_503_is_tried_again_with_the_same_bytes),
        TEST(after_the_last_attempt_it_is_kept_as_failed),
        TEST(a_destination_has_its_own_number_of_attempts),
        TEST(a_410_ends_it_at_once),
        TEST(a_redirect_is_a_failure_that_names_its_target),
        TEST(retry_after_is_honoured),
        TEST(a_retry_after_far_away_is_bounded),
        TEST(a_failure_is_told_once),
        TEST(a_failure_without_an_answer_has_no_status),
        TEST(a_notice_that_fails_is_told_to_nobody),
        TEST(without_on_failure_nothing_is_told),
        TEST(a_refused_connection_is_tried_again),
        TEST(one_that_says_nothing_times_out),
        TEST(one_that_closes_half_way_is_tried_again),
        TEST(a_yes_to_half_a_body_is_none),
        TEST(a_yes_whose_own_body_breaks_off_is_one),
        TEST(headers_without_end_are_broken_off),
        TEST(a_reply_without_end_is_cut),
        TEST(a_100_continue_is_not_the_answer),
        TEST(what_is_no_url_fails_at_once),
        TEST(connections_are_kept),
        TEST(an_origin_has_no_more_requests_than_its_limit),
        TEST(all_have_no_more_requests_than_the_limit),
        TEST(a_backlog_larger_than_the_hand_goes_out),
        TEST(a_dead_origin_is_left_alone_and_probed),
        TEST(a_dead_origin_delays_no_other),
        TEST(a_private_address_is_refused_where_the_configuration_says_so),
        TEST(the_environment_s_proxy_is_not_used),
        TEST(a_proxy_of_the_configuration_is_used),
        TEST(a_name_that_does_not_resolve_is_tried_again),
        TEST(the_source_address_is_as_configured),
        TEST(a_byte_a_second_is_cut_by_the_whole_timeout),
        TEST(one_that_answers_in_time_is_not_cut),
        TEST(each_limit_counts_in_its_own_time_only),
        TEST(a_pause_inside_the_answer_is_cut),
        TEST(one_that_takes_no_byte_of_the_body_is_cut),
        TEST(one_that_does_not_finish_the_handshake_is_cut),
        TEST(the_reply_s_first_bytes_are_kept),
        TEST(a_large_body_arrives_whole_each_time),
        TEST(the_signature_is_that_of_standard_webhooks),
        TEST(a_secret_may_stand_in_a_file_or_the_environment),
        TEST(a_secret_that_cannot_sign_fails_it),
        TEST(a_destination_has_headers_of_its_own),
        TEST(a_header_s_value_may_stand_in_a_file_or_the_environment),
        TEST(a_header_s_value_that_is_not_there_fails_it),
        TEST(a_stop_waits_for_what_is_under_way),
        TEST(a_stop_without_anything_under_way_is_told_too),
        TEST(what_is_broken_off_stays_in_the_spool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
