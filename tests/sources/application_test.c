/* What an application (alias.http) is asked and what is made of its answers, with a receiver and a clock of the test's; who
 * waits for what is tests/lookup/. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "sources/kinds.h"

#include "../captured_log.h"
#include "../deliver/receiver.h"
#include "../test.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

#define OK(body)       "HTTP/1.1 200 OK\r\nContent-Length: " body
#define ANSWER(status) "HTTP/1.1 " status "\r\nContent-Length: 0\r\n\r\n"
static const char found[] = OK("5\r\n\r\n\"a@b\"");

/* ---- The clock, and who has asked ---- */

static int64_t now = 1000000;

int64_t __wrap_clock_monotonic_ms(void);
void __wrap_source_answered(struct flight *flight, struct lookup_answer *answer, const char *why);

int64_t __wrap_clock_monotonic_ms(void)
{
    return now;
}

static struct lookup_room room;
static size_t answers;         /* so far */
static char last[300], all[9]; /* what the last one was; a letter of each of the last ones */

void __wrap_source_answered(struct flight *flight, struct lookup_answer *answer, const char *why)
{
    static const char *const words[] = {"found ", "none", "unknown"};
    if (answer)
        snprintf(last, sizeof last, "%s%.200s", words[answer->status], answer->text);
    else
        snprintf(last, sizeof last, "%s", why);
    all[answers++ % (sizeof all - 1)] = answer ? words[answer->status][0] : '-';
    lookup_answer_unref(answer);
    free(flight);
}

/* ---- One application ---- */

static struct receiver *receiver;
static struct lookup_config options;
static struct config config;
static struct source source;
static char url[200];

static void begin(const struct answer *given, size_t count)
{
    receiver = receiver_start(given, count);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/x", receiver_port(receiver));
    options =
        (struct lookup_config){.kind = LOOKUP_HTTP, .name = "app", .url = url, .timeout_ms = 20000};
    config = (struct config){.lookups = &options, .lookup_count = 1};
    source = (struct source){
        .room = &room, .kind = &source_http, .config = &config, .options = &options};
    uv_loop_init(&room.loop);
    assert_int_equal(source_http.open(&source), 0);
    answers = 0;
    memset(all, 0, sizeof all);
}

static void end(void)
{
    source_http.close(&source);
    uv_run(&room.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&room.loop), 0);
    receiver_stop(receiver);
}

static void ask(const char *address)
{
    struct flight *flight = calloc(1, sizeof *flight + strlen(address) + 1);
    flight->source = &source;
    strcpy(flight->address, address);
    source_http.ask(&source, flight);
}

static void wait_for(size_t count)
{
    while (answers < count)
        uv_run(&room.loop, UV_RUN_ONCE);
    assert_int_equal(answers, count);
}

static const char *say(const char *address)
{
    size_t before = answers;
    ask(address);
    wait_for(before + 1);
    return last;
}

/* ---- What is asked ---- */

static void the_address_stands_in_the_url(void **state)
{
    static const struct {
        const char *rest, *address, *line;
    } rows[] = {
        {"/x", "a@b.test", "GET /x?address=a%40b.test HTTP/1.1\r\n"},
        {"/x?y=z", "a@b.test", "GET /x?y=z&address=a%40b.test HTTP/1.1\r\n"},
        {"/{address}", "a@b.test", "GET /a%40b.test HTTP/1.1\r\n"},
        {"/u/{address}?v=1", "a b&c@b", "GET /u/a%20b%26c%40b?v=1 HTTP/1.1\r\n"},
        {"/?q={address}", "\xc3\xa4@b", "GET /?q=%C3%A4%40b HTTP/1.1\r\n"},
    };
    const struct answer answer = {.bytes = found};
    char host[40], value[512];
    (void)state;
    begin(&answer, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(url, sizeof url, "http://127.0.0.1:%d%s", receiver_port(receiver), rows[i].rest);
        assert_string_equal(say(rows[i].address), "found \"a@b\"");
        const struct received *r = receiver_request(receiver, i);
        if (strncmp(r->head, rows[i].line, strlen(rows[i].line)) != 0)
            fail_msg("%s", r->head);
        snprintf(host, sizeof host, "127.0.0.1:%d", receiver_port(receiver));
        assert_string_equal(received_header(r, "host", value), host);
        assert_string_equal(received_header(r, "accept", value), "application/json");
        assert_memory_equal(received_header(r, "user-agent", value), "mxhook/", 7);
        assert_null(received_header(r, "webhook-id", value));
        assert_null(received_header(r, "webhook-signature", value));
        assert_int_equal(r->size, 0);
    }
    assert_int_equal(receiver_connections(receiver), 1); /* it is kept */
    end();
}

static void a_secret_signs_it(void **state)
{
    const struct answer answer = {.bytes = found};
    char id[512], other[512], time[512], signature[512];
    (void)state;
    begin(&answer, 1);
    options.secret = SECRET;
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(say("a@b"), "found \"a@b\"");
        const struct received *r = receiver_request(receiver, i);
        assert_non_null(received_header(r, "webhook-id", i ? other : id));
        assert_in_range(
            llabs(r->at_ms / 1000 - atoll(received_header(r, "webhook-timestamp", time))), 0, 5);
        assert_int_equal(strlen(received_header(r, "webhook-signature", signature)), 47);
        assert_memory_equal(signature, "v1,", 3);
        assert_string_equal(received_header(r, "accept", time), "application/json");
    }
    assert_string_not_equal(id, other);
    /* One that is none any more: nothing goes out, and it is said; the next one has all its headers again. */
    options.secret = "whsec_!";
    CAPTURE(assert_string_equal(say("a@b"), "it cannot be asked"));
    assert_memory_equal(after_time(), "error lookup source=app secret=", 31);
    assert_int_equal(receiver_count(receiver), 2);
    options.secret = SECRET;
    assert_string_equal(say("a@b"), "found \"a@b\"");
    assert_non_null(received_header(receiver_request(receiver, 2), "webhook-id", id));
    end();
}

static void how_it_goes_out(void **state)
{
    const struct answer answer = {.bytes = found};
    (void)state;
    for (int how = 0; how < 3; how++) {
        begin(&answer, 1);
        source_http.close(&source); /* it is read when the source begins */
        config.deliver.source_address = how == 1 ? "127.0.0.2" : NULL;
        config.deliver.deny_private = how == 2;
        assert_int_equal(source_http.open(&source), 0);
        assert_string_equal(say("a@b"), how == 2
                                            ? "its address is not public (deliver.deny_private)"
                                            : "found \"a@b\"");
        assert_int_equal(receiver_count(receiver), how == 2 ? 0 : 1);
        if (how < 2)
            assert_string_equal(receiver_request(receiver, 0)->from,
                                how == 1 ? "127.0.0.2" : "127.0.0.1");
        /* A connection that is there already is of no use where addresses are denied. */
        config.deliver.deny_private = true;
        assert_string_equal(say("a@b"), "its address is not public (deliver.deny_private)");
        assert_int_equal(receiver_count(receiver), how == 2 ? 0 : 1);
        if (how == 2)
            assert_int_equal(receiver_connections(receiver), 0); /* nor is it connected to */
        end();
    }
}

/* By the operator's proxy: the whole URL is asked for. */
static void by_a_proxy(void **state)
{
    const struct answer answer = {.bytes = found};
    char proxy[40];
    (void)state;
    begin(&answer, 1);
    source_http.close(&source);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", receiver_port(receiver));
    config.deliver.proxy = proxy;
    options.url = "http://app.test/{address}";
    assert_int_equal(source_http.open(&source), 0);
    assert_string_equal(say("a@b"), "found \"a@b\"");
    assert_memory_equal(receiver_request(receiver, 0)->head,
                        "GET http://app.test/a%40b HTTP/1.1\r\n", 36);
    end();
}

/* ---- What is answered ---- */

static void each_answer(void **state)
{
    static const struct {
        const char *bytes, *expected;
    } rows[] = {
        {found, "found \"a@b\""},
        {ANSWER("404 Not Found"), "none"},
        {OK("2\r\n\r\n[]"), "none"},
        {ANSWER("299 Odd"), "neither 200 nor 404"},
        {ANSWER("300 Choices"), "a redirect, which is not followed"},
        {ANSWER("204 None"), "neither 200 nor 404"},
        {found, "found \"a@b\""},
        {"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n",
         "a redirect, which is not followed"},
        {ANSWER("399 Odd"), "a redirect, which is not followed"},
        {ANSWER("400 Bad"), "neither 200 nor 404"},
        {ANSWER("405 No"),
         "neither 200 nor 404"}, /* four in a row, one less than opens the breaker */
        {found, "found \"a@b\""},
        {ANSWER("500 Ill"), "neither 200 nor 404"},
        {OK("0\r\n\r\n"), "the answer is not JSON"},
        {OK("1\r\n\r\n{"), "the answer is not JSON"},
        {found, "found \"a@b\""},
    };
    struct answer given[sizeof rows / sizeof *rows] = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        given[i] = (struct answer){.bytes = rows[i].bytes};
    begin(given, sizeof rows / sizeof *rows);
    double answered = metric_value(METRIC_LOOKUP_REQUESTS_TOTAL, "app", "answered"),
           failed = metric_value(METRIC_LOOKUP_REQUESTS_TOTAL, "app", "failed");
    size_t fine = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(say("a@b"), rows[i].expected) != 0)
            fail_msg("row %zu: %s", i, last);
        fine += strncmp(last, "found", 5) == 0 || strcmp(last, "none") == 0;
    }
    assert_int_equal(receiver_count(receiver), sizeof rows / sizeof *rows);
    answered = metric_value(METRIC_LOOKUP_REQUESTS_TOTAL, "app", "answered") - answered;
    failed = metric_value(METRIC_LOOKUP_REQUESTS_TOTAL, "app", "failed") - failed;
    assert_int_equal((size_t)answered, fine);
    assert_int_equal((size_t)failed, sizeof rows / sizeof *rows - fine);
    end();
}

/* 64 KiB of an answer are read; and what was too much for one is not for the next. */
static void as_large_as_an_answer_may_be(void **state)
{
    enum { MOST = LOOKUP_ANSWER_MAX };
    static char whole[MOST + 100], over[MOST + 100];
    const struct answer given[] = {
        {.bytes = whole}, {.bytes = over}, {.bytes = whole}, {.bytes = found}};
    (void)state;
    for (int more = 0; more < 2; more++) {
        char *text = more ? over : whole;
        int head = sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", MOST + more);
        memset(text + head, 'x', MOST + (size_t)more);
        text[head] = text[head + MOST + more - 1] = '"';
    }
    begin(given, 4);
    assert_memory_equal(say("a@b"), "found \"xxx", 10);
    assert_string_equal(say("a@b"), "the answer is larger than 64 KiB");
    assert_memory_equal(say("a@b"), "found \"xxx", 10);
    assert_string_equal(say("a@b"), "found \"a@b\"");
    end();
}

static void it_takes_too_long(void **state)
{
    const struct answer given[] = {{.bytes = found, .delay_ms = 60000}, {.bytes = found}};
    (void)state;
    begin(given, 2);
    options.timeout_ms = 20;
    assert_string_equal(say("a@b"), "Timeout was reached");
    options.timeout_ms = 20000;
    assert_string_equal(say("a@b"), "found \"a@b\"");
    end();
}

/* ---- Many ---- */

static void so_many_at_once(void **state)
{
    struct answer given[200];
    (void)state;
    for (size_t i = 0; i < 200; i++)
        given[i] = (struct answer){.bytes = found, .delay_ms = 60000};
    begin(given, 200);
    for (int i = 0; i < 66; i++)
        ask("a@b");
    while (receiver_count(receiver) < 64)
        uv_run(&room.loop, UV_RUN_NOWAIT);
    for (int i = 0; i < 100; i++)
        uv_run(&room.loop, UV_RUN_NOWAIT);
    assert_int_equal(receiver_count(receiver), 64);
    assert_int_equal(answers, 0);
    source_http.close(&source); /* each is told */
    assert_int_equal(answers, 66);
    assert_string_equal(last, "it was taken out of the configuration");
    assert_int_equal(source_http.open(&source), 0);
    end();
}

/* The 65th goes out when one of the others has ended. */
static void who_waits_for_a_place_gets_one(void **state)
{
    const struct answer answer = {.bytes = found, .delay_ms = 1};
    (void)state;
    begin(&answer, 1);
    for (size_t round = 1; round <= 2; round++) {
        for (int i = 0; i < 200; i++)
            ask("a@b");
        wait_for(200 * round);
        assert_int_equal(receiver_count(receiver), 200 * round);
    }
    assert_string_equal(all, "ffffffff");
    assert_in_range(receiver_most_at_once(receiver), 2, 64);
    assert_in_range(receiver_connections(receiver), 2, 64); /* they are kept */
    end();
}

/* Five failures in a row, and it is asked again after a second, two and so on up to half a minute; one at a time. */
static void the_breaker(void **state)
{
    static const int64_t pauses[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    enum { PAUSES = sizeof pauses / sizeof *pauses };
    struct answer given[5 + PAUSES + 1] = {0};
    char line[200];
    (void)state;
    for (size_t i = 0; i < 5 + PAUSES; i++)
        given[i] = (struct answer){.bytes = ANSWER("500 Ill")};
    given[5 + PAUSES - 1].bytes = found;
    given[5 + PAUSES].bytes = found;
    begin(given, 5 + PAUSES + 1);
    CAPTURE(for (int i = 0; i < 4; i++) assert_string_equal(say("a@b"), "neither 200 nor 404"));
    assert_string_equal(written, "");
    CAPTURE(say("a@b"));
    assert_string_equal(after_time(), "warn lookup-breaker source=app state=open pause_ms=1000 "
                                      "error=\"neither 200 nor 404\"\n");
    for (size_t i = 0; i < PAUSES; i++) {
        now += pauses[i] - 1;
        assert_string_equal(say("a@b"), "it is not asked until it answers again");
        assert_int_equal(receiver_count(receiver), 5 + i);
        now++;
        ask("a@b"); /* tries it; who comes meanwhile is told at once */
        assert_string_equal(say("c@b"), "it is not asked until it answers again");
        CAPTURE(wait_for(answers + 1));
        assert_int_equal(receiver_count(receiver), 6 + i);
        if (i + 1 < PAUSES)
            snprintf(line, sizeof line,
                     "warn lookup-breaker source=app state=open pause_ms=%d error=\"neither 200 "
                     "nor 404\"\n",
                     (int)pauses[i + 1]);
        else
            strcpy(line, "info lookup-breaker source=app state=closed\n");
        assert_string_equal(after_time(), line);
    }
    assert_string_equal(say("a@b"), "found \"a@b\"");
    end();
}

/* Those that wait for a place when it opens are told at once. */
static void who_waits_when_the_breaker_opens(void **state)
{
    const struct answer answer = {.bytes = ANSWER("500 Ill"), .delay_ms = 1};
    (void)state;
    begin(&answer, 1);
    for (int i = 0; i < 300; i++)
        ask("a@b");
    wait_for(300);
    assert_in_range(receiver_count(receiver), 64, 64 + 5);
    end();
}

/* The proxy of the environment is never asked. */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_address_stands_in_the_url),
        cmocka_unit_test(a_secret_signs_it),
        cmocka_unit_test(how_it_goes_out),
        cmocka_unit_test(by_a_proxy),
        cmocka_unit_test(each_answer),
        cmocka_unit_test(as_large_as_an_answer_may_be),
        cmocka_unit_test(it_takes_too_long),
        cmocka_unit_test(so_many_at_once),
        cmocka_unit_test(who_waits_for_a_place_gets_one),
        cmocka_unit_test(the_breaker),
        cmocka_unit_test(who_waits_when_the_breaker_opens),
    };
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("no_proxy", "app.test", 1);
    return RUN_TESTS(tests);
}
