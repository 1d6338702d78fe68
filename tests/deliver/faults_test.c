/* Receivers that are broken, each in its own way; faults.md is the table of them. */
#include "rig.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void a_refused_connection_is_tried_again(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    receiver_stop(rig->receiver);
    rig->receiver = NULL;
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, TRIES(">= 5"), 1);
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 0);
    assert_int_equal(bench_query(rig->bench, STATE("last_status")), 0);
    rig_check_error(rig, "%Connection refused%");
}

static void one_that_says_nothing_times_out(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1, first_byte_timeout = '150ms'", {.bytes = OK, .delay_ms = 20000});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    rig_check_error(rig, "no answer within 0.15 s (deliver.first_byte_timeout)");
    assert_true(bench_query(rig->bench, "SELECT ms FROM attempt") >= 150);
}

static void one_that_closes_half_way_is_tried_again(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = "", .read_only = 5, .close = true}, {.bytes = OK});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 2);
}

/* A body of more than fits into the sockets' buffers. */
static void post_large(struct rig *rig)
{
    char *body = calloc(1, 8 << 20);
    memset(body, 'x', (8 << 20) - 1);
    rig_post_delivery(rig, bench_delivery("m-1", rig->url, body));
    free(body);
}

static void a_yes_to_half_a_body_is_none(void **state)
{
    struct rig *rig = *state;
    START(
        rig, "attempts = 1",
        {.bytes = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", .read_only = 10, .close = true});
    post_large(rig);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(bench_query(rig->bench, STATE("last_status")), 0);
}

/* It would be read on, were it waited for; but no byte of the body moves any more. */
static void a_yes_that_leaves_the_body_unread_is_none(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1, idle_timeout = '1s', timeout = '9s'",
          {.bytes = OK, .read_only = 10, .repeat = " ", .pause_ms = 20000});
    post_large(rig);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(bench_query(rig->bench, STATE("last_status")), 0);
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 1);
    rig_check_error(rig, "answered 200 when % of 8388607 bytes were sent: not delivered%");
}

/* ---- What counts as an attempt ---- */

static void what_was_sent_and_not_answered_is_an_attempt(void **state)
{
    struct rig *rig = *state;
    START(rig, "first_byte_timeout = '100ms'", {.bytes = OK, .delay_ms = 20000});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    rig_run_for(rig, 300);
    assert_int_equal(receiver_count(rig->receiver), 3); /* exactly */
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 3);
}

static void what_was_sent_and_reset_is_an_attempt(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = "", .close = true});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(receiver_count(rig->receiver), 3);
}

static void one_attempt_is_one_also_where_nobody_listens(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1", {.bytes = OK});
    receiver_stop(rig->receiver);
    rig->receiver = NULL;
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 1);
}

static void check_no_http(struct rig *rig, const struct answer *answer)
{
    rig_start_with(rig, "attempts = 2", answer, 1);
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(receiver_count(rig->receiver), 2); /* it is no end at once */
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 2);
    assert_int_equal(bench_query(rig->bench, STATE("last_status")), 0);
}

#define NOT_HTTP(name, text)                                                                       \
    static void name(void **state)                                                                 \
    {                                                                                              \
        static const struct answer answer = {.bytes = text, .close = true};                        \
        check_no_http(*state, &answer);                                                            \
    }

NOT_HTTP(a_banner_of_ssh_is_a_failed_attempt, "SSH-2.0-OpenSSH_9.2\r\n")
NOT_HTTP(an_answer_of_icy_is_a_failed_attempt, "ICY 200 OK\r\nicy-name: x\r\n\r\n")
NOT_HTTP(an_alert_of_tls_is_a_failed_attempt, "\x15\x03\x01\x02\x02\x16")
NOT_HTTP(a_greeting_of_smtp_is_a_failed_attempt, "220 mx.example ESMTP\r\n")
NOT_HTTP(a_status_line_of_nonsense_is_a_failed_attempt, "HTTP/1.1 abc\r\n\r\n")
NOT_HTTP(a_page_without_a_head_is_a_failed_attempt, "<html>hello</html>")

static void check_flow_control(struct rig *rig, const char *bytes, int least_ms)
{
    struct answer answers[] = {{.bytes = bytes}, {.bytes = OK}};
    rig_start_with(rig, "attempts = 1", answers, 2);
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0); /* though it has one attempt only */
    assert_int_equal(receiver_count(rig->receiver), 2);
    assert_true(receiver_request(rig->receiver, 1)->at_ms -
                    receiver_request(rig->receiver, 0)->at_ms >=
                least_ms);
}

#define FLOW_CONTROL(name, text, least_ms)                                                         \
    static void name(void **state)                                                                 \
    {                                                                                              \
        check_flow_control(*state, "HTTP/1.1 " text "\r\ncontent-length: 0\r\n\r\n", least_ms);    \
    }

FLOW_CONTROL(a_429_is_no_attempt, "429 Slow", 900)
FLOW_CONTROL(a_429_with_retry_after_is_no_attempt, "429 Slow\r\nretry-after: 2", 1900)
FLOW_CONTROL(a_429_with_a_reset_is_no_attempt, "429 Slow\r\nX-RateLimit-Reset-After: 0.3", 290)
FLOW_CONTROL(a_503_with_retry_after_is_no_attempt, "503 Busy\r\nretry-after: 1", 900)

static void a_yes_whose_own_body_breaks_off_is_one(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nha", .close = true});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 1);
}

static void an_answer_that_ends_inside_its_headers_is_none(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1", {.bytes = "HTTP/1.1 200 OK\r\ncontent-le", .close = true});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    rig_check_error(rig, "its connection ended inside the answer''s headers");
}

static void headers_without_end_are_broken_off(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1",
          {.bytes = "HTTP/1.1 200 OK\r\n", .repeat = "x-header: 0123456789\r\n"});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    rig_check_error(rig, "its headers do not end");
}

static void a_reply_without_end_is_cut(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = "HTTP/1.1 200 OK\r\n\r\n", .repeat = "0123456789abcdef"});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
}

static void a_100_continue_is_not_the_answer(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1", {.bytes = "HTTP/1.1 100 Continue\r\n\r\n" BUSY});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(bench_query(rig->bench, STATE("last_status")), 503);
}

static void a_byte_a_second_is_cut_by_the_whole_timeout(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1", {.bytes = "HTTP/1.1 200 OK\r\n", .repeat = "x", .pause_ms = 100});
    struct delivery *d = bench_delivery("m-1", rig->url, "x");
    d->destination.timeout_ms = 500;
    rig_post_delivery(rig, d);
    rig_run_until(rig, FAILED, 1);
    rig_check_error(rig, "not done within 0.5 s, inside the answer (the destination''s timeout)");
}

static void one_that_answers_in_time_is_not_cut(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1, first_byte_timeout = '1s'", {.bytes = OK, .delay_ms = 100});
    for (int i = 0; i < 3; i++) { /* on a new connection, and on a kept one */
        rig_post(rig, "m-1", rig->url);
        rig_run_until(rig, COUNT, 0);
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
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
}

static void a_pause_inside_the_answer_is_cut(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1, idle_timeout = '1s', timeout = '9s'",
          {.bytes = "HTTP/1.1 200 OK\r\nx-a: b\r\n", .repeat = "x", .pause_ms = 20000});
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    rig_check_error(rig, "no progress for 1 s inside the answer (deliver.idle_timeout)");
}

static void one_that_takes_no_byte_of_the_body_is_cut(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1, idle_timeout = '1s', first_byte_timeout = '100ms', timeout = '9s'",
          {.bytes = OK, .read_only = 10, .delay_ms = 20000});
    post_large(rig);
    rig_run_until(rig, FAILED, 1);
    rig_check_error(rig, "no progress for 1 s while it was sent (deliver.idle_timeout)");
}

static void one_that_does_not_finish_the_handshake_is_cut(void **state)
{
    struct rig *rig = *state;
    char url[64];
    START(rig, "attempts = 1, connect_timeout = '1s', timeout = '9s'",
          {.bytes = OK, .delay_ms = 20000});
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", receiver_port(rig->receiver));
    for (int i = 0; i < 5; i++) /* four wait whether the first one's connection can be shared */
        rig_post(rig, "m-1", url);
    rig_run_until(rig, FAILED, 5);
    rig_run_until(rig,
                  "SELECT count(*) FROM delivery WHERE last_error = "
                  "'no connection within 1 s (deliver.connect_timeout)'",
                  5);
    assert_true(bench_query(rig->bench, "SELECT min(ms) FROM attempt") >= 1000);
}

static void a_name_that_does_not_resolve_is_tried_again(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "attempts = 2");
    rig_post(rig, "m-1", "http://nowhere.invalid/x");
    rig_run_until(rig, TRIES(">= 3"), 1);
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 0);
    rig_check_error(rig, "Could not resolve host%");
}

static void one_that_refuses_before_our_body_ends_has_answered(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 1",
          {.bytes = "HTTP/1.1 413 Too much\r\ncontent-length: 4\r\nconnection: close\r\n\r\n"
                    "much",
           .read_only = 10,
           .close = true});
    post_large(rig);
    rig_run_until(rig, FAILED, 1);
    rig_check_error(rig, "answered 413%");
}

/* ---- A name with a dead address and a live one (RFC 8305): libcurl knows localhost as 127.0.0.1
 * and
 * ::1, and asks nobody. Each is the dead one once, so it does not matter which is tried first. ----
 */

static const struct answer yes[] = {{.bytes = OK}};

static void receive_on(struct rig *rig, int family)
{
    rig->receiver = family == AF_INET ? receiver_start(yes, 1) : receiver_start6(yes, 1);
    if (!rig->receiver) {
        print_message("skipped: there is no ::1 here\n");
        skip();
    }
}

static void start(struct rig *rig)
{
    snprintf(rig->url, sizeof rig->url, "http://localhost:%d/", receiver_port(rig->receiver));
    rig_start(rig, "attempts = 1, connect_timeout = '8s', timeout = '9s'");
}

static void check_reached(struct rig *rig, int family)
{
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
    assert_string_equal(receiver_request(rig->receiver, 0)->from,
                        family == AF_INET ? "127.0.0.1" : "::1");
}

static void a_name_whose_first_address_refuses_is_reached_by_the_other(void **state)
{
    receive_on(*state, AF_INET6);
    start(*state);
    check_reached(*state, AF_INET6);
}

static void a_name_whose_last_address_refuses_is_reached_by_the_other(void **state)
{
    receive_on(*state, AF_INET);
    start(*state);
    check_reached(*state, AF_INET);
}

#define FILLERS 8

/* A listener that is full: the kernel drops what else would connect. */
struct silent {
    int listener, fillers[FILLERS];
};

static struct silent silent_listener(int family, int listener)
{
    struct silent silent = {.listener = listener};
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    assert_int_equal(listen(silent.listener, 0), 0);
    assert_int_equal(getsockname(silent.listener, (struct sockaddr *)&address, &size), 0);
    for (int i = 0; i < FILLERS; i++) {
        silent.fillers[i] = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(silent.fillers[i], (struct sockaddr *)&address, size);
    }
    return silent;
}

static void check_reached_beside_silence(struct rig *rig, int family)
{
    int other = family == AF_INET ? AF_INET6 : AF_INET, listener = -1;
    for (int i = 0; i < 20 && listener < 0; i++) { /* the port may be in use in the other family */
        receiver_stop(rig->receiver);
        receive_on(rig, family);
        int port = receiver_port(rig->receiver);
        listener = receiver_bind(other, &port);
    }
    assert_true(listener >= 0);
    start(rig);
    struct silent silent = silent_listener(other, listener);
    check_reached(rig, family);
    for (int i = 0; i < FILLERS; i++)
        close(silent.fillers[i]);
    close(silent.listener);
}

static void a_name_whose_first_address_is_silent_is_reached_by_the_other(void **state)
{
    check_reached_beside_silence(*state, AF_INET6);
}

static void a_name_whose_last_address_is_silent_is_reached_by_the_other(void **state)
{
    struct receiver *six = receiver_start6(yes, 1);
    if (!six)
        skip();
    receiver_stop(six);
    check_reached_beside_silence(*state, AF_INET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_refused_connection_is_tried_again),
        RIG_TEST(one_that_says_nothing_times_out),
        RIG_TEST(one_that_closes_half_way_is_tried_again),
        RIG_TEST(a_yes_to_half_a_body_is_none),
        RIG_TEST(a_yes_that_leaves_the_body_unread_is_none),
        RIG_TEST(what_was_sent_and_not_answered_is_an_attempt),
        RIG_TEST(what_was_sent_and_reset_is_an_attempt),
        RIG_TEST(one_attempt_is_one_also_where_nobody_listens),
        RIG_TEST(a_banner_of_ssh_is_a_failed_attempt),
        RIG_TEST(an_answer_of_icy_is_a_failed_attempt),
        RIG_TEST(an_alert_of_tls_is_a_failed_attempt),
        RIG_TEST(a_greeting_of_smtp_is_a_failed_attempt),
        RIG_TEST(a_status_line_of_nonsense_is_a_failed_attempt),
        RIG_TEST(a_page_without_a_head_is_a_failed_attempt),
        RIG_TEST(a_429_is_no_attempt),
        RIG_TEST(a_429_with_retry_after_is_no_attempt),
        RIG_TEST(a_429_with_a_reset_is_no_attempt),
        RIG_TEST(a_503_with_retry_after_is_no_attempt),
        RIG_TEST(a_yes_whose_own_body_breaks_off_is_one),
        RIG_TEST(an_answer_that_ends_inside_its_headers_is_none),
        RIG_TEST(headers_without_end_are_broken_off),
        RIG_TEST(a_reply_without_end_is_cut),
        RIG_TEST(a_100_continue_is_not_the_answer),
        RIG_TEST(a_byte_a_second_is_cut_by_the_whole_timeout),
        RIG_TEST(one_that_answers_in_time_is_not_cut),
        RIG_TEST(each_limit_counts_in_its_own_time_only),
        RIG_TEST(a_pause_inside_the_answer_is_cut),
        RIG_TEST(one_that_takes_no_byte_of_the_body_is_cut),
        RIG_TEST(one_that_does_not_finish_the_handshake_is_cut),
        RIG_TEST(a_name_that_does_not_resolve_is_tried_again),
        RIG_TEST(one_that_refuses_before_our_body_ends_has_answered),
        RIG_TEST(a_name_whose_first_address_refuses_is_reached_by_the_other),
        RIG_TEST(a_name_whose_last_address_refuses_is_reached_by_the_other),
        RIG_TEST(a_name_whose_first_address_is_silent_is_reached_by_the_other),
        RIG_TEST(a_name_whose_last_address_is_silent_is_reached_by_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
