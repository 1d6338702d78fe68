/* Which scanner is asked, how, for how long, and what comes of one that fails; with receivers and a clock of the test's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spill.h"
#include "scan/scan.h"

#include "../captured_log.h"
#include "../deliver/receiver.h"
#include "../failing_memory.h"
#include "../test.h"

#define ANSWER(status) "HTTP/1.1 " status "\r\nContent-Length: 0\r\n\r\n"
#define CLEAN(action)                                                                              \
    "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 51\r\n\r\n"                      \
    "{\"score\": 1, \"required_score\": 15, \"action\": \"" action "\"}"
static const char clean[] = CLEAN("one"), other[] = CLEAN("two");

static _Atomic int64_t now = 1000000;

int64_t __wrap_clock_monotonic_ms(void);

int64_t __wrap_clock_monotonic_ms(void)
{
    return now;
}

static uv_loop_t loop;
static struct scan *scan;
static struct receiver *receivers[3];
static char urls[3][100], *url_list[3] = {urls[0], urls[1], urls[2]};
static struct config config;
static struct transaction transaction;
static bool inside;    /* of scan_start() */
static size_t told;    /* how often */
static char last[200]; /* the last result: its action, or "-" and its error */

static void begin(size_t count, const struct answer *answers, size_t each)
{
    config = (struct config){.hostname = "mx.test",
                             .scan = {.urls = url_list, .url_count = count, .timeout_ms = 20000}};
    uv_loop_init(&loop);
    for (size_t i = 0; i < count; i++) {
        receivers[i] = receiver_start(answers + i * each, each);
        snprintf(urls[i], sizeof urls[i], "http://127.0.0.1:%d", receiver_port(receivers[i]));
    }
    assert_int_equal(scan_new(&loop, &scan), 0);
    transaction =
        (struct transaction){.id = "1-1", .data = spill_from_bytes("S: x\r\n\r\ny\r\n", 11)};
}

static void end(void)
{
    scan_free(scan);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    for (size_t i = 0; i < config.scan.url_count; i++)
        receiver_stop(receivers[i]);
    spill_free(transaction.data);
}

static void on_done(void *context, struct scan_result *result)
{
    assert_false(inside);
    assert_ptr_equal(context, &told);
    snprintf(last, sizeof last, "%s%s", result->error ? "-" : "",
             result->error ? result->error : result->action);
    scan_result_free(result);
    told++;
}

static int start(void)
{
    inside = true;
    int code = scan_start(scan, &config, &transaction, NULL, on_done, &told);
    inside = false;
    return code;
}

static void wait_for(size_t count)
{
    while (told < count)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(told, count);
}

static const char *ask(void)
{
    size_t before = told;
    assert_int_equal(start(), 0);
    wait_for(before + 1);
    return last;
}

/* ---- One ---- */

static void where_it_is_asked(void **state)
{
    static const struct {
        const char *rest, *line;
    } rows[] = {{"", "POST /checkv2 HTTP/1.1\r\n"},
                {"/", "POST /checkv2 HTTP/1.1\r\n"},
                {"/a", "POST /a/checkv2 HTTP/1.1\r\n"},
                {"/a/", "POST /a/checkv2 HTTP/1.1\r\n"}};
    const struct answer answer = {.bytes = clean};
    char value[512];
    (void)state;
    begin(1, &answer, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(urls[0], sizeof urls[0], "http://127.0.0.1:%d%s", receiver_port(receivers[0]),
                 rows[i].rest);
        assert_string_equal(ask(), "one");
        const struct received *r = receiver_request(receivers[0], i);
        assert_memory_equal(r->head, rows[i].line, strlen(rows[i].line));
        assert_string_equal(r->body, "S: x\r\n\r\ny\r\n");
        assert_string_equal(received_header(r, "queue-id", value), "1-1");
        assert_null(received_header(r, "expect", value));
    }
    assert_int_equal(receiver_connections(receivers[0]), 1);
    end();
}

static void what_is_no_answer(void **state)
{
    static const struct {
        const char *bytes, *expected;
    } rows[] = {
        {ANSWER("400 Bad"), "-the scanner answers with an error"},
        {ANSWER("401 No"), "-the scanner refuses the password"},
        {clean, "one"},
        {ANSWER("402 No"), "-the scanner answers with an error"},
        {ANSWER("403 No"), "-the scanner refuses the password"},
        {clean, "one"},
        {ANSWER("404 No"), "-the scanner answers with an error"},
        {ANSWER("200 OK"), "-the answer cannot be read"},
        {clean, "one"},
        {ANSWER("201 OK"), "-the scanner answers with an error"},
        {ANSWER("302 Found"), "-the scanner answers with an error"},
        {clean, "one"},
    };
    struct answer answers[sizeof rows / sizeof *rows] = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        answers[i].bytes = rows[i].bytes;
    begin(1, answers, sizeof rows / sizeof *rows);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(ask(), rows[i].expected) != 0)
            fail_msg("row %zu: %s", i, last);
    end();
}

static void an_answer_of_8_mib(void **state)
{
    enum { MOST = 8 << 20 };
    static char whole[MOST + 200], over[MOST + 200];
    static const char json[] = "{\"score\": 1, \"required_score\": 15, \"action\": \"one\"}";
    const struct answer answers[] = {{.bytes = whole}, {.bytes = over}, {.bytes = whole}};
    (void)state;
    for (int more = 0; more < 2; more++) {
        char *text = more ? over : whole;
        int head = sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", MOST + more);
        memset(text + head, ' ', MOST + (size_t)more);
        memcpy(text + head, json, sizeof json - 1);
    }
    begin(1, answers, 3);
    assert_string_equal(ask(), "one");
    assert_string_equal(ask(), "-the answer is too large");
    assert_string_equal(ask(), "one");
    end();
}

/* Sent whole once more where the scanner closes a connection that was kept: from memory, and from a file. */
static void a_request_that_is_sent_again(void **state)
{
    const struct answer answers[] = {
        {.bytes = clean}, {.bytes = "", .close = true}, {.bytes = clean}};
    (void)state;
    for (int file = 0; file < 2; file++) {
        begin(1, answers, 3);
        spill_free(transaction.data);
        transaction.data = spill_new("/tmp", NULL);
        char *body = malloc(SPILL_THRESHOLD + 1);
        size_t size = file ? SPILL_THRESHOLD + 1 : 20000;
        for (size_t i = 0; i < size; i++)
            body[i] = (char)('a' + i % 23);
        assert_int_equal(spill_write(transaction.data, body, size), 0);
        assert_int_equal(spill_memory(transaction.data) == NULL, file);
        assert_string_equal(ask(), "one");
        assert_string_equal(ask(), "one");
        assert_int_equal(receiver_count(receivers[0]), 3);
        for (size_t i = 0; i < 3; i++) {
            const struct received *r = receiver_request(receivers[0], i);
            assert_int_equal(r->size, size);
            assert_memory_equal(r->body, body, size);
        }
        assert_int_equal(receiver_request(receivers[0], 2)->connection, 2);
        free(body);
        end();
    }
}

/* ---- Several ---- */

static void each_begins_in_turn(void **state)
{
    const struct answer answers[] = {{.bytes = clean}, {.bytes = other}};
    (void)state;
    begin(2, answers, 1);
    for (int i = 0; i < 5; i++)
        assert_string_equal(ask(), i % 2 ? "two" : "one");
    end();
}

/* The one behind it is asked, and behind the last the first; each once. */
static void the_next_where_one_fails(void **state)
{
    const struct answer answers[] = {
        {.bytes = ANSWER("500 Ill")}, {.bytes = ANSWER("401 No")}, {.bytes = other}};
    (void)state;
    begin(3, answers, 1);
    for (int i = 0; i < 3; i++)
        assert_string_equal(ask(), "two");
    assert_int_equal(receiver_count(receivers[0]), 1);
    assert_int_equal(receiver_count(receivers[1]), 2);
    assert_int_equal(receiver_count(receivers[2]), 3);
    config.scan.url_count = 2;
    assert_string_equal(ask(), "-the scanner answers with an error"); /* it began with the second */
    config.scan.url_count = 3;
    end();
}

/* One that is slow leaves time to those after it, however little. */
static void a_slow_one(void **state)
{
    const struct answer answers[] = {
        {.bytes = clean, .delay_ms = 60000}, {.bytes = clean, .delay_ms = 60000}, {.bytes = other}};
    (void)state;
    begin(3, answers, 1);
    config.scan.timeout_ms = 600;
    assert_string_equal(ask(), "two");
    config.scan.timeout_ms = 1;
    config.scan.url_count = 2;
    assert_string_equal(ask(), "-Timeout was reached");
    config.scan.url_count = 3;
    end();
}

/* No other is asked once the time is over; with a millisecond left one is. */
static void the_time_is_over(void **state)
{
    const struct answer answers[] = {{.bytes = ANSWER("500 Ill"), .delay_ms = 20},
                                     {.bytes = ANSWER("401 No"), .delay_ms = 20}};
    (void)state;
    for (int64_t left = 1; left >= -1; left--) {
        begin(2, answers, 1);
        size_t before = told;
        assert_int_equal(start(), 0);
        now += config.scan.timeout_ms - left;
        if (left > 0)
            config.scan.timeout_ms += 1000; /* libcurl's time is the real one */
        wait_for(before + 1);
        assert_string_equal(last, left > 0 ? "-the scanner refuses the password"
                                           : "-the scanner answers with an error");
        assert_int_equal(receiver_count(receivers[1]), left > 0);
        end();
    }
}

/* Three failures in a row: it is not asked for ten seconds; then one message tries it. */
static void a_scanner_that_is_silent(void **state)
{
    struct answer answers[] = {{.bytes = ANSWER("500 Ill")},
                               {.bytes = ANSWER("500 Ill")},
                               {.bytes = clean},
                               {.bytes = ANSWER("500 Ill")},
                               {.bytes = ANSWER("500 Ill")},
                               {.bytes = ANSWER("401 No")},
                               {.bytes = ANSWER("500 Ill")},
                               {.bytes = clean}};
    char line[300];
    (void)state;
    begin(1, answers, 8);
    CAPTURE(for (int i = 0; i < 5; i++) ask());
    assert_string_equal(written, "");
    CAPTURE(assert_string_equal(ask(), "-the scanner refuses the password"));
    snprintf(line, sizeof line,
             "warn scanner url=%s result=\"is not asked until it answers\" "
             "error=\"the scanner refuses the password\"\n",
             urls[0]);
    assert_string_equal(after_time(), line);
    CAPTURE(assert_string_equal(ask(), "-the scanner does not answer"));
    now += SCAN_PAUSE_MS - 1;
    CAPTURE(assert_string_equal(ask(), "-the scanner does not answer"));
    assert_int_equal(receiver_count(receivers[0]), 6);
    now++;
    CAPTURE(assert_string_equal(ask(), "-the scanner answers with an error"));
    assert_string_equal(written, ""); /* it is no news */
    assert_string_equal(ask(), "-the scanner does not answer");
    now += SCAN_PAUSE_MS;
    size_t before = told;
    CAPTURE({
        assert_int_equal(start(), 0);
        assert_int_equal(start(), 0); /* while it is tried no other does */
        wait_for(before + 2);
    });
    assert_int_equal(receiver_count(receivers[0]), 8);
    snprintf(line, sizeof line, "info scanner url=%s result=\"answers again\"\n", urls[0]);
    assert_string_equal(after_time(), line);
    CAPTURE(assert_string_equal(ask(), "one"));
    assert_string_equal(written, "");
    end();
}

/* Those of two are counted apart. */
static void one_of_two_is_silent(void **state)
{
    const struct answer answers[] = {{.bytes = ANSWER("500 Ill")}, {.bytes = other}};
    (void)state;
    begin(2, answers, 1);
    CAPTURE(for (int i = 0; i < 12; i++) assert_string_equal(ask(), "two"));
    assert_int_equal(captured_lines("is not asked until it answers"), 1);
    assert_int_equal(receiver_count(receivers[0]), 3);
    assert_int_equal(receiver_count(receivers[1]), 12);
    end();
}

/* ---- Who is scanned ---- */

static void who_is_scanned(void **state)
{
    static const struct {
        bool all, urls, user;
        size_t max_size;
        const char *client;
        bool wanted;
    } rows[] = {
        {false, true, false, 11, "192.0.2.1", true},  {false, false, false, 11, "192.0.2.1", false},
        {false, true, false, 10, "192.0.2.1", false}, {false, true, false, 12, "192.0.2.1", true},
        {false, true, true, 11, "192.0.2.1", false},  {true, true, true, 11, "192.0.2.1", true},
        {false, true, false, 11, "10.0.0.1", false},  {true, true, false, 11, "10.0.0.1", true},
        {false, true, false, 11, "", true},           {false, true, true, 11, "", false},
        {true, true, false, 10, "10.0.0.1", false},   {true, false, false, 11, "192.0.2.1", false},
    };
    struct network local;
    (void)state;
    assert_int_equal(network_parse("10.0.0.0/8", &local), 0);
    begin(0, NULL, 0);
    config.access.unlimited = &local;
    config.access.unlimited_count = 1;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        config.scan.all = rows[i].all;
        config.scan.url_count = rows[i].urls;
        config.scan.max_size = rows[i].max_size;
        transaction.envelope.user = rows[i].user ? "u" : NULL;
        strcpy(transaction.envelope.client_ip, rows[i].client);
        if (scan_is_wanted(&config, &transaction) != rows[i].wanted)
            fail_msg("row %zu", i);
    }
    config.scan.url_count = 0;
    end();
}

/* Whichever request for memory fails as it begins: it is said, or there is no answer. */
static void without_memory(void **state)
{
    const struct answer answer = {.bytes = clean};
    size_t errors = 0, without = 0;
    bool failed = true;
    (void)state;
    for (long i = 0; failed; i++) {
        begin(1, &answer, 1);
        size_t before = told;
        memory_fails_after(i);
        int code = start();
        failed = memory_has_failed();
        assert_true(code == 0 || (failed && code == -ENOMEM));
        if (code == 0) {
            wait_for(before + 1);
            assert_string_equal(last, failed ? "-the scanner does not answer" : "one");
        }
        errors += code != 0;
        without += code == 0 && failed;
        assert_string_equal(ask(), "one"); /* and the next one finds nothing amiss */
        end();
    }
    assert_in_range(errors, 2, 100);
    assert_in_range(without, 2, 100);
}

/* Its connections are kept for the next one. */
static void a_burst(void **state)
{
    const struct answer answer = {.bytes = clean, .delay_ms = 5};
    (void)state;
    begin(1, &answer, 1);
    for (int round = 0; round < 3; round++) {
        size_t before = told;
        for (int i = 0; i < 20; i++)
            assert_int_equal(start(), 0);
        wait_for(before + 20);
        assert_string_equal(last, "one");
    }
    assert_int_equal(receiver_count(receivers[0]), 60);
    assert_in_range(receiver_connections(receivers[0]), 1, 20);
    end();
}

static void no_memory_to_begin(void **state)
{
    struct scan *none = NULL;
    long failures = 0;
    int code = -ENOMEM;
    (void)state;
    uv_loop_init(&loop);
    for (; code == -ENOMEM; failures++) {
        assert_null(none);
        memory_fails_after(failures);
        code = scan_new(&loop, &none);
        assert_int_equal(memory_has_failed(), code != 0);
        uv_run(&loop, UV_RUN_DEFAULT); /* what was begun is closed */
    }
    assert_int_equal(code, 0);
    assert_in_range(failures, 3, 10);
    scan_free(none);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_it_is_asked),
        cmocka_unit_test(what_is_no_answer),
        cmocka_unit_test(an_answer_of_8_mib),
        cmocka_unit_test(a_request_that_is_sent_again),
        cmocka_unit_test(each_begins_in_turn),
        cmocka_unit_test(the_next_where_one_fails),
        cmocka_unit_test(a_slow_one),
        cmocka_unit_test(the_time_is_over),
        cmocka_unit_test(a_scanner_that_is_silent),
        cmocka_unit_test(one_of_two_is_silent),
        cmocka_unit_test(who_is_scanned),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(a_burst),
        cmocka_unit_test(no_memory_to_begin),
    };
    setenv("http_proxy", "http://127.0.0.1:9", 1); /* the environment's is not asked */
    return RUN_TESTS(tests);
}
