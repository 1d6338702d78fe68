/* What is done about a scanner's answer: each reply, each line of the log, each field, as a whole. */
#include "scan/policy.h"

#include "../captured_log.h"
#include "../test.h"

static void replies(void **state)
{
    static const struct {
        struct scan_config config;
        const char *error, *action, *message;
        int code; /* 0: it is not refused */
        const char *text;
    } rows[] = {
        {{.refuse = true}, NULL, "reject", NULL, 550, "Refused as spam or a virus"},
        {{.refuse = true}, NULL, "reject", "", 550, "Refused as spam or a virus"},
        {{.refuse = true}, NULL, "reject", "Go %s away", 550, "Go %s away"},
        {{.refuse = true},
         NULL,
         "reject",
         "Stra\xc3\x9f"
         "e \xe2\x82\xac \xf0\x9f\x93\xa7!",
         550,
         "Stra?e ? ?!"},
        {{.refuse = true}, NULL, "soft reject", NULL, 451, "Try again later"},
        {{.refuse = true}, NULL, "soft reject", "Slowly", 451, "Slowly"},
        {{.refuse = true}, NULL, "greylist", NULL, 451, "Try again later"},
        {{.refuse = true}, NULL, "greylist", "Wait", 451, "Wait"},
        {{.refuse = true}, NULL, "add header", "Spam", 0, ""},
        {{.refuse = true}, NULL, "no action", NULL, 0, ""},
        {{.refuse = false, .defer = true}, NULL, "reject", NULL, 0, ""},
        {{.refuse = true}, "timed out", "reject", NULL, 0, ""},
        {{.defer = true},
         "timed out",
         "no action",
         NULL,
         451,
         "The message cannot be scanned now, try again later"},
        {{.defer = true, .refuse = true},
         "timed out",
         "reject",
         NULL,
         451,
         "The message cannot be scanned now, try again later"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct scan_result result = {
            .error = rows[i].error, .action = rows[i].action, .message = rows[i].message};
        struct reply reply = {0};
        assert_int_equal(scan_refuses(&rows[i].config, &result, &reply), rows[i].code != 0);
        assert_int_equal(reply.code, rows[i].code);
        assert_string_equal(reply.enhanced, rows[i].code == 550   ? "5.7.1"
                                            : rows[i].code == 451 ? "4.7.1"
                                                                  : "");
        assert_string_equal(reply.text, rows[i].text);
    }
}

/* Both sides of what is kept of a long message. */
static void a_long_message_is_cut(void **state)
{
    char message[302];
    const struct scan_config config = {.refuse = true};
    const struct scan_result result = {.action = "reject", .message = message};
    (void)state;
    for (size_t size = 298; size <= 301; size++) {
        struct reply reply;
        memset(message, 'x', size);
        message[size] = 0;
        assert_true(scan_refuses(&config, &result, &reply));
        assert_int_equal(strlen(reply.text), size < 299 ? size : 299);
    }
}

static void lines_of_the_log(void **state)
{
    struct scan_result result = {
        .action = "add header", .score = 7.125, .required = 15, .symbol_count = 3};
    (void)state;
    CAPTURE(scan_log("1-1", &result));
    assert_string_equal(
        after_time(),
        "info scan id=1-1 action=\"add header\" score=7.13 required=15.00 symbols=3\n");
    result.virus = "Eicar";
    CAPTURE(scan_log("1-1", &result));
    assert_string_equal(after_time(), "info scan id=1-1 action=\"add header\" score=7.13 "
                                      "required=15.00 symbols=3 virus=Eicar\n");
    result.error = "timed out";
    CAPTURE(scan_log("1-1", &result));
    assert_string_equal(after_time(), "warn scan id=1-1 error=\"timed out\"\n");
}

static void scores(void **state)
{
    static const struct {
        double score;
        const char *text;
    } rows[] = {
        {0, "0.00"},        {0.01, "0.01"},    {0.1, "0.10"},
        {-0.01, "-0.01"},   {0.994, "0.99"},   {0.996, "1.00"},
        {9.99, "9.99"},     {10, "10.00"},     {-15.5, "-15.50"},
        {123.45, "123.45"}, {-0.001, "0.00"},  {9999999999999, "9999999999999.00"},
        {1e13, "1e+13"},    {-1e13, "-1e+13"}, {1.2345e20, "1.23e+20"},
    };
    char out[SCAN_SCORE_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(scan_score_write(rows[i].score, out), rows[i].text);
}

static void assert_fields(struct scan_result *result, const char *const (*fields)[2], size_t count)
{
    assert_int_equal(scan_result_write_fields(result), 0);
    assert_int_equal(result->fields.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(result->fields.items[i].name, fields[i][0]);
        assert_string_equal(result->fields.items[i].value, fields[i][1]);
        assert_int_equal(result->fields.items[i].value_size, strlen(fields[i][1]));
    }
}

static void fields_of_the_header(void **state)
{
    static const char *const spam[][2] = {
        {"X-Spam-Status",
         "Yes, score=8.00 required=7.50 action=\"reject\" tests=[ONE, TWO, THREE]"},
        {"X-Spam-Score", "8.00"},
        {"X-Spam-Action", "reject"},
        {"X-Virus", "Eicar"}};
    static const char *const ham[][2] = {
        {"X-Spam-Status", "No, score=0.00 required=0.00 action=\"no action\" tests=[]"},
        {"X-Spam-Score", "0.00"},
        {"X-Spam-Action", "no action"}};
    struct scan_symbol symbols[] = {{.name = "ONE"}, {.name = "TWO"}, {.name = "THREE"}};
    struct scan_result *result = scan_result_new();
    (void)state;
    assert_fields(result, ham, 3);
    scan_result_free(result);
    result = scan_result_new();
    result->spam = true;
    result->score = 8;
    result->required = 7.5;
    result->action = "reject";
    result->virus = "Eicar";
    result->symbols = symbols;
    result->symbol_count = 3;
    assert_fields(result, spam, 4);
    scan_result_free(result);
    result = scan_result_new();
    result->error = "timed out";
    assert_fields(result, NULL, 0);
    scan_result_free(result);
    assert_string_equal(scan_result_failed()->error, "out of memory");
    assert_string_equal(scan_result_failed()->action, "no action");
    scan_result_free(NULL);
}

/* Whole names, up to 4096 bytes of them, with a comma and a space before all but the first. */
static void names_of_symbols_up_to_a_limit(void **state)
{
    static char first[4096], last[16];
    struct scan_symbol symbols[] = {{.name = first}, {.name = last}};
    (void)state;
    for (size_t size = 3; size <= 5; size++) {
        struct scan_result *result = scan_result_new();
        memset(first, 'A', 4089);
        memset(last, 'B', size);
        last[size] = 0;
        result->symbols = symbols;
        result->symbol_count = 2;
        assert_int_equal(scan_result_write_fields(result), 0);
        assert_int_equal(strstr(result->fields.items[0].value, ", B") != NULL, size <= 4);
        scan_result_free(result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(lines_of_the_log),
        cmocka_unit_test(scores),
        cmocka_unit_test(fields_of_the_header),
        cmocka_unit_test(names_of_symbols_up_to_a_limit),
    };
    return RUN_TESTS(tests);
}
