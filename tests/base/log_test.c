#include "base/log.h"
#include "base/log_format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../captured_log.h"
#include "../test.h"

static void writes_fields_in_order(void **state)
{
    (void)state;
    CAPTURE(log_info("accepted", "01k-1", LOG_NUMBER("size", -5), LOG_TEXT("from", "a@b.example")));
    assert_string_equal(after_time(), "info accepted id=01k-1 size=-5 from=a@b.example\n");
}

static void begins_with_the_time_in_utc(void **state)
{
    (void)state;
    int year, month, day, hour, minute, second, millisecond;
    CAPTURE(log_error("x", NULL, LOG_NUMBER("n", 1)));
    assert_int_equal(sscanf(written, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ ", &year, &month, &day, &hour,
                            &minute, &second, &millisecond),
                     7);
    assert_string_equal(after_time(), "error x n=1\n");
}

static void quotes_so_that_no_line_can_be_forged(void **state)
{
    (void)state;
    CAPTURE(log_info("e", NULL, LOG_TEXT("a", "x\nfake id=1"), LOG_TEXT("b", "say \"hi\" \\"),
                     LOG_TEXT("c", "\x1b[31m\xc3\xa9"), LOG_TEXT("d", ""), LOG_TEXT("e", NULL)));
    assert_string_equal(after_time(), "info e a=\"x\\nfake id=1\" b=\"say \\\"hi\\\" \\\\\" "
                                      "c=\"\\x1b[31m\xc3\xa9\" d=\"\" e=\"\"\n");
}

static void drops_what_is_below_the_level(void **state)
{
    (void)state;
    CAPTURE(log_debug("e", NULL, LOG_NUMBER("n", 1)));
    assert_string_equal(written, "");
    log_set_level(LOG_ERROR);
    CAPTURE(log_warn("e", NULL, LOG_NUMBER("n", 1)));
    assert_string_equal(written, "");
    CAPTURE(log_error("e", NULL, LOG_NUMBER("n", 1)));
    assert_string_not_equal(written, "");
    log_set_level(LOG_INFO);
}

static void cuts_a_line_that_is_too_long(void **state)
{
    (void)state;
    static char big[10000];
    memset(big, 'x', sizeof big - 1);
    CAPTURE(log_info("e", NULL, LOG_TEXT("big", big), LOG_TEXT("quoted", "a b")));
    assert_int_equal(strlen(written), 4096);
    assert_int_equal(written[4095], '\n');
}

static void knock(int times)
{
    for (int i = 0; i < times; i++)
        log_limited(LOG_INFO, "knock", NULL, LOG_NUMBER("n", i));
}

static int count_of(const char *text)
{
    int count = 0;
    for (const char *p = written; (p = strstr(p, text)); p += strlen(text))
        count++;
    return count;
}

static int sum_suppressed(void)
{
    static const char text[] = "warn suppressed event=knock lines=";
    int sum = 0;
    for (const char *p = written; (p = strstr(p, text)); p += sizeof text - 1)
        sum += atoi(p + sizeof text - 1);
    return sum;
}

/* The second may change in the middle: then there is a second number of lines. */
static void counts_what_is_over_the_limit(void **state)
{
    (void)state;
    log_set_limit(20);
    CAPTURE({
        knock(50);
        sleep(2);
        log_info("other", NULL, LOG_NUMBER("n", 1)); /* it tells them too */
    });
    int lines = count_of("info knock ");
    assert_in_range(lines, 20, 40);
    assert_int_equal(lines + sum_suppressed(), 50);
    assert_int_equal(count_of("info other"), 1);
    sleep(1);
    CAPTURE(knock(20));
    assert_int_equal(count_of("info knock "), 20);
    log_set_limit(0);
    CAPTURE(knock(100));
    assert_int_equal(count_of("info knock "), 100);
    log_set_limit(100);
}

static void json_is_flat_and_valid(void **state)
{
    (void)state;
    log_set_format(LOG_FORMAT_JSON);
    CAPTURE(log_warn("accepted", "01k-1", LOG_NUMBER("size", -5), LOG_TEXT("from", "a\"\n\xff")));
    log_set_format(LOG_FORMAT_TEXT);
    assert_int_equal(strncmp(written, "{\"time\":\"20", 11), 0);
    assert_string_equal(strstr(written, ",\"level\""),
                        ",\"level\":\"warn\",\"event\":\"accepted\",\"id\":\"01k-1\",\"size\":-5,"
                        "\"from\":\"a\\\"\\u000a\\u00ff\"}\n");
}

static void a_json_line_that_is_cut_is_whole(void **state)
{
    (void)state;
    char longer[5000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    log_set_format(LOG_FORMAT_JSON);
    CAPTURE(log_info("e", NULL, LOG_NUMBER("n", 1), LOG_TEXT("long", longer)));
    log_set_format(LOG_FORMAT_TEXT);
    assert_non_null(strstr(written, ",\"event\":\"e\",\"n\":1,\"cut\":true}\n"));
}

static void the_journal_gets_fields(void **state)
{
    (void)state;
    char bytes[1024];
    const struct log_field fields[] = {
        LOG_TEXT("url", "https://a.example/in"), LOG_NUMBER("ms", 3), {0, 0, 0}};
    size_t size = log_format_journal(bytes, sizeof bytes, "warn retry id=01k-2-1", LOG_WARN,
                                     "retry", "01k-2-1", fields);
    bytes[size] = 0;
    assert_string_equal(bytes, "PRIORITY=4\nSYSLOG_IDENTIFIER=mxhook\nMXHOOK_EVENT=retry\n"
                               "MXHOOK_ID=01k-2-1\nMXHOOK_MESSAGE=01k-2\n"
                               "MXHOOK_ORIGIN=https://a.example\nMESSAGE=warn retry id=01k-2-1\n");
}

static void held_lines_wait_for_the_flush(void **state)
{
    (void)state;
    CAPTURE(log_held("before", "1", LOG_NUMBER("n", 1)));
    assert_string_equal(after_time(), "info before id=1 n=1\n");
    log_hold();
    CAPTURE(log_held("received", "1", LOG_NUMBER("n", 2)));
    assert_string_equal(written, "");
    CAPTURE(log_flush());
    assert_string_equal(after_time(), "info received id=1 n=2\n");
    CAPTURE(log_flush());
    assert_string_equal(written, "");
    CAPTURE(log_held("ruled", "1", LOG_NUMBER("n", 3)));
    CAPTURE(log_release());
    assert_string_equal(after_time(), "info ruled id=1 n=3\n");
    CAPTURE(log_held("after", "1", LOG_NUMBER("n", 4)));
    assert_string_equal(after_time(), "info after id=1 n=4\n");
}

static void a_line_that_is_not_held_brings_the_others(void **state)
{
    (void)state;
    log_hold();
    CAPTURE({
        log_held("received", "1", LOG_NUMBER("n", 1));
        log_warn("retry", "2", LOG_NUMBER("n", 2));
    });
    log_release();
    const char *first = strstr(written, "info received id=1 n=1\n"),
               *second = strstr(written, "warn retry id=2 n=2\n");
    assert_non_null(first);
    assert_true(second > first);
}

static size_t count_lines(void)
{
    size_t count = 0;
    for (const char *p = written; (p = strchr(p, '\n')); p++)
        count++;
    return count;
}

static void more_than_can_be_held_goes_out(void **state)
{
    (void)state;
    enum { LINES = 50, SIZE = 1000 };
    char text[SIZE + 1];
    memset(text, 'x', SIZE);
    text[SIZE] = 0;
    log_hold();
    CAPTURE(for (int i = 0; i < LINES; i++) log_held("received", "1", LOG_TEXT("text", text)));
    size_t at_once = count_lines();
    assert_in_range(at_once, 1, LINES - 1);
    CAPTURE(log_release());
    assert_int_equal(at_once + count_lines(), LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_flat_and_valid),
        cmocka_unit_test(a_json_line_that_is_cut_is_whole),
        cmocka_unit_test(the_journal_gets_fields),
        cmocka_unit_test(writes_fields_in_order),
        cmocka_unit_test(begins_with_the_time_in_utc),
        cmocka_unit_test(quotes_so_that_no_line_can_be_forged),
        cmocka_unit_test(drops_what_is_below_the_level),
        cmocka_unit_test(cuts_a_line_that_is_too_long),
        cmocka_unit_test(counts_what_is_over_the_limit),
        cmocka_unit_test(held_lines_wait_for_the_flush),
        cmocka_unit_test(a_line_that_is_not_held_brings_the_others),
        cmocka_unit_test(more_than_can_be_held_goes_out),
    };
    return RUN_TESTS(tests);
}
