/* Answers of each kind, and what each costs; faults.md is the table of them. */
#include "rig.h"

#include <stdio.h>
#include <string.h>

#include "../test.h"
#include "deliver/http.h"

/* With two attempts: it is no yes, and no end at once. */
static void check_refused(struct rig *rig, const char *bytes, int status)
{
    const struct answer answer = {.bytes = bytes, .close = true};
    rig_start_with(rig, "attempts = 2", &answer, 1);
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(receiver_count(rig->receiver), 2);
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 2);
    assert_int_equal(bench_query(rig->bench, STATE("last_status")), status);
}

static void check_delivered(struct rig *rig, const char *bytes)
{
    const struct answer answer = {.bytes = bytes, .close = true};
    rig_start_with(rig, "attempts = 1", &answer, 1);
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 1);
}

#define REFUSED(name, text, status)                                                                \
    static void name(void **state)                                                                 \
    {                                                                                              \
        check_refused(*state, text "\r\ncontent-length: 0\r\n\r\n", status);                       \
    }

#define DELIVERED(name, text)                                                                      \
    static void name(void **state)                                                                 \
    {                                                                                              \
        check_delivered(*state, text "\r\ncontent-length: 0\r\n\r\n");                             \
    }

REFUSED(a_300_costs_an_attempt, "HTTP/1.1 300 Many", 300)
REFUSED(a_301_costs_an_attempt, "HTTP/1.1 301 Moved\r\nlocation: /other", 301)
REFUSED(a_303_costs_an_attempt, "HTTP/1.1 303 See\r\nlocation: http://127.0.0.1:1/", 303)
REFUSED(a_304_costs_an_attempt, "HTTP/1.1 304 As it was", 304)
REFUSED(a_307_costs_an_attempt, "HTTP/1.1 307 There\r\nlocation: /", 307)
REFUSED(a_308_costs_an_attempt, "HTTP/1.1 308 There\r\nlocation: nowhere://x", 308)
REFUSED(a_101_costs_an_attempt, "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x", 0)
REFUSED(a_103_alone_costs_an_attempt, "HTTP/1.1 103 Early\r\nlink: </a>", 0)
REFUSED(a_400_costs_an_attempt, "HTTP/1.1 400 Bad", 400)
REFUSED(a_499_costs_an_attempt, "HTTP/1.1 499 Odd", 499)
REFUSED(a_599_costs_an_attempt, "HTTP/1.1 599 Odd", 599)
REFUSED(a_999_costs_an_attempt, "HTTP/1.1 999 Denied", 999)
REFUSED(a_version_9_costs_an_attempt, "HTTP/9.9 200 OK", 0)
REFUSED(a_status_of_two_digits_costs_an_attempt, "HTTP/1.1 20 OK", 0)
REFUSED(an_rtsp_costs_an_attempt, "RTSP/1.0 200 OK", 0)
REFUSED(a_sip_costs_an_attempt, "SIP/2.0 200 OK", 0)
REFUSED(an_ftp_greeting_costs_an_attempt, "220 ftp.example FTP", 0)
REFUSED(a_redis_error_costs_an_attempt, "-ERR wrong number of arguments", 0)
REFUSED(nothing_but_line_ends_cost_an_attempt, "\r\n\r\n", 0)

DELIVERED(a_201_is_a_yes, "HTTP/1.1 201 Made\r\nlocation: /1")
DELIVERED(a_202_is_a_yes, "HTTP/1.1 202 Later")
DELIVERED(a_204_is_a_yes, "HTTP/1.1 204 Nothing")
DELIVERED(a_299_is_a_yes, "HTTP/1.1 299 Odd")
DELIVERED(a_yes_of_http_1_0_is_one, "HTTP/1.0 200 OK")
DELIVERED(a_yes_without_words_is_one, "HTTP/1.1 200")
DELIVERED(a_yes_after_103s_is_one,
          "HTTP/1.1 103 Early\r\nlink: </a>\r\n\r\nHTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK")
DELIVERED(a_yes_with_odd_headers_is_one,
          "HTTP/1.1 200 OK\r\nx-empty:\r\n:x\r\nx-\x80\xff: \x01\r\nset-cookie: a=b; path=/")

/* ---- Several ---- */

/* Over a kept connection, and on new ones, each is an attempt of its own. */
static void answers_of_each_kind_in_turn(void **state)
{
    struct rig *rig = *state;
    static const struct answer answers[] = {
        {.bytes = "HTTP/1.1 302 There\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n"},
        {.bytes = "SSH-2.0-OpenSSH_9.2\r\n", .close = true},
        {.bytes = "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"},
        {.bytes = "", .close = true},
        {.bytes = OK}};
    rig_start_with(rig, "attempts = 5", answers, 5);
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 5);
}

/* An answer whose head is of so many bytes, and an empty line. */
static const char *head_of(size_t bytes)
{
    static char text[HTTP_HEADERS_MAX + 8];
    static const char first[] = "HTTP/1.1 200 OK\r\n", last[] = "content-length: 0\r\n\r\n";
    size_t used = sizeof first - 1, end = bytes + 2 - (sizeof last - 1);
    memcpy(text, first, used);
    while (used < end) { /* lines of some 1,000 bytes; the last one takes what is left */
        size_t line = end - used < 2000 ? end - used : 1000;
        memset(text + used, 'x', line);
        memcpy(text + used, "x: ", 3);
        memcpy(text + used + line - 2, "\r\n", 2);
        used += line;
    }
    strcpy(text + end, last);
    return text;
}

static void headers_may_take_64_kib(void **state)
{
    const char *bytes = head_of(HTTP_HEADERS_MAX);
    assert_int_equal(strlen(bytes), HTTP_HEADERS_MAX + 2);
    check_delivered(*state, bytes);
}

static void a_byte_more_of_headers_is_no_yes(void **state)
{
    check_refused(*state, head_of(HTTP_HEADERS_MAX + 1), 0);
    rig_check_error(*state, "its headers do not end");
}

/* libcurl calls it a lack of memory, which it is not: it costs an attempt, and is not tried for ever. */
static void a_line_of_200_kb_costs_an_attempt(void **state)
{
    static char text[200000] = "HTTP/1.1 200 OK\r\nx: ";
    memset(text + strlen(text), 'y', sizeof text - 1 - strlen(text));
    check_refused(*state, text, 0);
    rig_check_error(*state, "a line of its headers does not end%");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_300_costs_an_attempt),
        RIG_TEST(a_301_costs_an_attempt),
        RIG_TEST(a_303_costs_an_attempt),
        RIG_TEST(a_304_costs_an_attempt),
        RIG_TEST(a_307_costs_an_attempt),
        RIG_TEST(a_308_costs_an_attempt),
        RIG_TEST(a_101_costs_an_attempt),
        RIG_TEST(a_103_alone_costs_an_attempt),
        RIG_TEST(a_400_costs_an_attempt),
        RIG_TEST(a_499_costs_an_attempt),
        RIG_TEST(a_599_costs_an_attempt),
        RIG_TEST(a_999_costs_an_attempt),
        RIG_TEST(a_version_9_costs_an_attempt),
        RIG_TEST(a_status_of_two_digits_costs_an_attempt),
        RIG_TEST(an_rtsp_costs_an_attempt),
        RIG_TEST(a_sip_costs_an_attempt),
        RIG_TEST(an_ftp_greeting_costs_an_attempt),
        RIG_TEST(a_redis_error_costs_an_attempt),
        RIG_TEST(nothing_but_line_ends_cost_an_attempt),
        RIG_TEST(a_201_is_a_yes),
        RIG_TEST(a_202_is_a_yes),
        RIG_TEST(a_204_is_a_yes),
        RIG_TEST(a_299_is_a_yes),
        RIG_TEST(a_yes_of_http_1_0_is_one),
        RIG_TEST(a_yes_without_words_is_one),
        RIG_TEST(a_yes_after_103s_is_one),
        RIG_TEST(a_yes_with_odd_headers_is_one),
        RIG_TEST(answers_of_each_kind_in_turn),
        RIG_TEST(headers_may_take_64_kib),
        RIG_TEST(a_byte_more_of_headers_is_no_yes),
        RIG_TEST(a_line_of_200_kb_costs_an_attempt),
    };
    return RUN_TESTS(tests);
}
