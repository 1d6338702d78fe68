/* What is made of a scanner's answer, whatever it is. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/rspamd_answer.h"

static char *virus_symbols[] = {"CLAM_VIRUS"};
static struct scan_config config = {
    .headers = true, .virus_symbols = virus_symbols, .virus_symbol_count = 1};
static struct scan_result *result;

static int read_pieces(const char *text, size_t size, size_t piece)
{
    scan_result_free(result);
    result = scan_result_new();
    assert_non_null(result);
    struct rspamd_answer *answer = rspamd_answer_new(&config, result);
    assert_non_null(answer);
    for (size_t at = 0; at < size; at += piece)
        assert_true(rspamd_answer_read(answer, text + at, size - at < piece ? size - at : piece));
    int code = rspamd_answer_end(answer);
    rspamd_answer_free(answer);
    return code;
}

/* As it comes in one piece, and in others, which make no difference. */
static int read_text(const char *text, size_t size)
{
    int whole = read_pieces(text, size, SIZE_MAX / 2);
    if (size < 10000)
        assert_int_equal(read_pieces(text, size, 1), whole);
    assert_int_equal(read_pieces(text, size, 7), whole);
    return whole;
}

/* An answer with these members besides those that each must have. */
static void read_members(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void read_members(const char *format, ...)
{
    char *members, *text;
    va_list args;
    va_start(args, format);
    assert_true(vasprintf(&members, format, args) >= 0);
    va_end(args);
    assert_true(asprintf(&text, "{\"action\":\"no action\",\"score\":1.5,\"required_score\":15,%s}",
                         members) >= 0);
    assert_int_equal(read_text(text, strlen(text)), 0);
    free(members);
    free(text);
}

/* `count` times a number between two texts, with commas between. */
static char *many(const char *before, const char *after, int count)
{
    char *list = calloc((size_t)count + 1, 64), *at = list;
    assert_non_null(list);
    for (int i = 0; i < count; i++)
        at += sprintf(at, "%s%s%d%s", i > 0 ? "," : "", before, i, after);
    return list;
}

static void test_answer(void **state)
{
    (void)state;
    read_members("\"is_skipped\":false,\"symbols\":{"
                 "\"A\":{\"name\":\"A\",\"score\":-0.5,\"description\":\"x\"},"
                 "\"CLAM_VIRUS\":{\"options\":[\"Eicar\",1,\"b\\u0000\\n\\u007f\"],\"score\":7}},"
                 "\"messages\":{\"other\":\"x\",\"smtp_message\":\"Go away\\r\\n\"},"
                 "\"milter\":{\"remove_headers\":{\"X-Spam\":0,\"X Y\":1},"
                 "\"add_headers\":{\"X-A\":\"1\",\"X-B\":{\"value\":\"2\",\"order\":0},"
                 "\"X-C\":[\"3\",{\"value\":\"4\"},[\"no\"],5],\"X:D\":\"no\"}}");
    assert_string_equal(result->action, "no action");
    assert_true(result->score == 1.5 && result->required == 15 && !result->spam);
    assert_string_equal(result->message, "Go away  ");
    assert_int_equal(result->symbol_count, 2);
    assert_string_equal(result->symbols[0].name, "A");
    assert_true(result->symbols[0].score == -0.5 && result->symbols[1].score == 7);
    assert_int_equal(result->symbols[0].option_count, 0);
    assert_int_equal(result->symbols[1].option_count, 2);
    assert_string_equal(result->symbols[1].options[1], "b   ");
    assert_string_equal(result->virus, "Eicar");
    assert_int_equal(result->removed_count, 1);
    assert_string_equal(result->removed[0], "X-Spam");
    static const char *const fields[][2] = {
        {"X-Spam-Status",
         "No, score=1.50 required=15.00 action=\"no action\" tests=[A, CLAM_VIRUS]"},
        {"X-Spam-Score", "1.50"},
        {"X-Spam-Action", "no action"},
        {"X-Virus", "Eicar"},
        {"X-A", "1"},
        {"X-B", "2"},
        {"X-C", "3"},
        {"X-C", "4"}};
    assert_int_equal(result->fields.count, sizeof fields / sizeof *fields);
    for (size_t i = 0; i < result->fields.count; i++) {
        assert_string_equal(result->fields.items[i].name, fields[i][0]);
        assert_string_equal(result->fields.items[i].value, fields[i][1]);
    }
}

/* Members of these names elsewhere say nothing, and what is of another kind than expected is not there. */
static void test_places_and_kinds(void **state)
{
    (void)state;
    read_members("\"x\":{\"action\":\"reject\",\"symbols\":{\"A\":{}},\"score\":99},"
                 "\"y\":[\"reject\",{\"score\":98}],\"symbols\":[{\"A\":{\"score\":1}}],"
                 "\"milter\":{\"add_headers\":{\"X-A\":7,\"X-B\":{\"value\":[\"x\"]}},"
                 "\"remove_headers\":[\"X-C\"]},\"messages\":\"no\"");
    assert_string_equal(result->action, "no action");
    assert_true(result->score == 1.5);
    assert_int_equal(result->symbol_count, 0);
    assert_int_equal(result->fields.count, 3);
    assert_int_equal(result->removed_count, 0);
    assert_null(result->message);
    read_members(
        "\"symbols\":{\"A\":1,\"B\":{\"score\":\"1\",\"options\":{\"a\":\"b\"}},\"C D\":{},"
        "\"E\":{\"score\":1e999,\"x\":{\"score\":5}}}");
    assert_int_equal(result->symbol_count, 2);
    assert_string_equal(result->symbols[0].name, "B");
    assert_string_equal(result->symbols[1].name, "E");
    assert_true(result->symbols[0].score == 0 && result->symbols[1].score == 0);
    config.headers = false;
    read_members("\"milter\":{\"add_headers\":{\"X-A\":\"1\"},\"remove_headers\":{\"X-B\":0}}");
    config.headers = true;
    assert_int_equal(result->fields.count, 3);
    assert_int_equal(result->removed_count, 0);
}

static void test_limits(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        char *options = many("\"", "\"", RSPAMD_OPTIONS_MAX + more);
        read_members("\"symbols\":{\"A\":{\"options\":[%s]}}", options);
        assert_int_equal(result->symbols[0].option_count, RSPAMD_OPTIONS_MAX);
        free(options);
        char *symbols = many("\"S", "\":{}", RSPAMD_SYMBOLS_MAX + more);
        read_members("\"symbols\":{%s}", symbols);
        assert_int_equal(result->symbol_count, RSPAMD_SYMBOLS_MAX);
        free(symbols);
        char *fields = many("\"X-", "\":\"x\"", RSPAMD_FIELDS_MAX - 3 + more);
        read_members("\"milter\":{\"add_headers\":{%s}}", fields);
        assert_int_equal(result->fields.count, RSPAMD_FIELDS_MAX);
        free(fields);
        char *removed = many("\"X-", "\":0", RSPAMD_FIELDS_MAX + more);
        read_members("\"milter\":{\"remove_headers\":{%s}}", removed);
        assert_int_equal(result->removed_count, RSPAMD_FIELDS_MAX);
        free(removed);
        read_members("\"symbols\":{\"%0*d\":{}}", 255 + more, 1);
        assert_int_equal(result->symbol_count, 1 - more);
        read_members("\"messages\":{\"smtp_message\":\"%0*d\xC3\xA9\"}", RSPAMD_TEXT_MAX - 2 + more,
                     1);
        assert_int_equal(strlen(result->message), more ? RSPAMD_TEXT_MAX - 1 : RSPAMD_TEXT_MAX);
    }
}

static void assert_no_answer(const char *text)
{
    assert_int_equal(read_text(text, strlen(text)), -EBADMSG);
}

static void test_no_answer(void **state)
{
    (void)state;
    static const char whole[] = "{\"action\":\"reject\",\"score\":20,\"required_score\":15}";
    for (size_t size = 0; size < sizeof whole - 1; size++)
        assert_int_equal(read_text(whole, size), -EBADMSG);
    assert_int_equal(read_text(whole, sizeof whole - 1), 0);
    assert_true(result->spam);
    assert_int_equal(read_text(whole, sizeof whole), 0); /* whatever follows: a NUL here */
    assert_no_answer("[]");
    assert_no_answer("7");
    assert_no_answer("{}");
    assert_no_answer("{\"action\":[\"reject\"],\"score\":20,\"required_score\":15}");
    assert_no_answer("{\"action\":\"reject\",\"score\":1e999,\"required_score\":15}");
    assert_no_answer("{\"action\":\"reject\",\"score\":\"20\",\"required_score\":15}");
    assert_no_answer("[{\"action\":\"reject\",\"score\":20,\"required_score\":15}]");
}

/* Above what is parsed at once: a text, and then the rest, in pieces of any size. */
static void test_long(void **state)
{
    (void)state;
    read_members("\"x\":\"%0*d\",\"symbols\":{\"A\":{\"score\":2}}", 300000, 1);
    assert_int_equal(result->symbol_count, 1);
    assert_true(result->symbols[0].score == 2);
}

/* On both sides of the deepest; what the answer itself opens counts. */
static void test_levels(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        char text[300], *at = text + sprintf(text, "{\"action\":\"no action\",\"score\":1,"
                                                   "\"required_score\":15,\"x\":");
        memset(at, '[', 99 + (size_t)more);
        memset(at + 99 + more, ']', 99 + (size_t)more);
        strcpy(at + 2 * (99 + more), "}");
        assert_int_equal(read_text(text, strlen(text)), more ? -EBADMSG : 0);
    }
}

/* On both sides of the largest: blanks without end are no answer, but read to the last. */
static void test_largest(void **state)
{
    (void)state;
    char *endless = malloc(RSPAMD_ANSWER_MAX + 1);
    assert_non_null(endless);
    memset(endless, ' ', RSPAMD_ANSWER_MAX + 1);
    for (size_t more = 0; more < 2; more++) {
        scan_result_free(result);
        result = scan_result_new();
        struct rspamd_answer *answer = rspamd_answer_new(&config, result);
        assert_non_null(answer);
        assert_true(rspamd_answer_read(answer, endless, RSPAMD_ANSWER_MAX / 2));
        assert_int_equal(rspamd_answer_read(answer, endless, RSPAMD_ANSWER_MAX / 2 + more),
                         more == 0);
        assert_int_equal(rspamd_answer_end(answer), -EBADMSG);
        rspamd_answer_free(answer);
    }
    free(endless);
}

/* A message's own bytes may stand in an answer; its sender shall not be able to make one that is not read. */
static void test_odd_bytes(void **state)
{
    (void)state;
    read_members("\"urls\":[\"h\xFF\"],\"\xFE\":\"\xC3\",\"symbols\":{\"A\":{\"options\":["
                 "\"x\xFF\xC3(\",\"\\udc00\\ud800\",\"\xE2\x80\xAE\",\"gr\xC3\xBC\xC3\x9F\"]},"
                 "\"B\xFF\":{\"score\":3}},\"milter\":{\"add_headers\":{\"X-A\":\"\xC3\"}}");
    assert_int_equal(result->symbol_count, 1);
    const char **options = result->symbols[0].options;
    assert_string_equal(options[0], "x?\?(");
    assert_null(strpbrk(options[1], "\xED\xA0\xB0"));
    assert_string_equal(options[2], "???");
    assert_string_equal(options[3], "gr\xC3\xBC\xC3\x9F");
    assert_string_equal(result->fields.items[3].value, "?");
}

/* What rspamd asks for cannot pass for what the server says, nor make a line that is too long or a mail loop. */
static void test_fields_of_others(void **state)
{
    (void)state;
    read_members("\"milter\":{\"add_headers\":{\"x-spam-score\":\"-9\",\"X-Spam-Status\":\"No\","
                 "\"X-Virus\":[\"none\"],\"X-Spam-Action\":{\"value\":\"no action\"},"
                 "\"Delivered-To\":\"x\",\"X-Forwarding-Service\":\"x\",\"Received-SPF\":\"pass\","
                 "\"authentication-results\":\"mx; spf=pass\",\"X-Spam\":\"yes\\r\\nBcc: y\"},"
                 "\"remove_headers\":{\"received\":0,\"X-A\":1,\"Delivered-To\":0}}");
    assert_int_equal(result->fields.count, 4);
    assert_string_equal(result->fields.items[3].name, "X-Spam");
    assert_string_equal(result->fields.items[3].value, "yes  Bcc: y");
    assert_int_equal(result->removed_count, 2);
    for (int more = 0; more < 2; more++) {
        read_members("\"milter\":{\"add_headers\":{\"X-A\":\"a %0*d b\"}}", RSPAMD_WORD_MAX + more,
                     1);
        assert_int_equal(strlen(result->fields.items[3].value), more ? 2 : RSPAMD_WORD_MAX + 4);
    }
}

/* X-Virus is one line too. */
static void test_a_long_name_of_a_virus(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        read_members("\"symbols\":{\"CLAM_VIRUS\":{\"options\":[\"%0*d\"]}}",
                     RSPAMD_WORD_MAX + more, 1);
        assert_int_equal(strlen(result->virus), RSPAMD_WORD_MAX);
        assert_string_equal(result->fields.items[3].name, "X-Virus");
        assert_string_equal(result->fields.items[3].value, result->virus);
    }
    read_members("\"symbols\":{\"CLAM_VIRUS\":{\"options\":[\"%0*d\u00e9\"]}}", RSPAMD_WORD_MAX - 1,
                 1);
    assert_int_equal(strlen(result->virus), RSPAMD_WORD_MAX - 1); /* no half of a character */
}

static void test_actions_and_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *score, *shown;
    } scores[] = {{"0", "0.00"},
                  {"-0", "0.00"},
                  {"-0.001", "0.00"},
                  {"-7.5", "-7.50"},
                  {"0.05", "0.05"},
                  {"-0.05", "-0.05"},
                  {"12.345", "12.35"},
                  {"1e2", "100.00"},
                  {"1E-2", "0.01"},
                  {"99999.999", "100000.00"},
                  {"1e300", "1e+300"},
                  {"1234567890123", "1234567890123.00"},
                  {"-12345678901234", "-1.23e+13"}};
    char text[400];
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++) {
        snprintf(text, sizeof text,
                 "{\"action\":\"my action\",\"score\":%s,\"required_score\":-1.5}",
                 scores[i].score);
        assert_int_equal(read_text(text, strlen(text)), 0);
        assert_string_equal(result->fields.items[1].value, scores[i].shown);
        assert_true(result->score == strtod(scores[i].score, NULL) && result->required == -1.5);
        assert_string_equal(result->action, "my action");
        assert_false(result->spam);
    }
    for (int more = 0; more < 2; more++) {
        snprintf(text, sizeof text, "{\"action\":\"%0*d\",\"score\":1,\"required_score\":1}",
                 SCAN_ACTION_MAX + more, 1);
        assert_int_equal(read_text(text, strlen(text)), more ? -EBADMSG : 0);
    }
    assert_no_answer("{\"action\":\"\",\"score\":1,\"required_score\":1}");
    assert_no_answer("{\"action\":\"a\\\"b\",\"score\":1,\"required_score\":1}");
    assert_no_answer("{\"action\":\"a\\r\\nb\",\"score\":1,\"required_score\":1}");
    assert_no_answer("{\"action\":\"reject\",\"score\":NaN,\"required_score\":1}");
    assert_no_answer("{\"action\":\"reject\",\"score\":Infinity,\"required_score\":1}");
    assert_no_answer("{\"action\":\"reject\",\"score\":1,\"required_score\":null}");
    assert_no_answer("{\"action\":true,\"score\":1,\"required_score\":1}");
}

/* The list of symbols is as long as it gets, and can be folded. */
static void test_long_status(void **state)
{
    (void)state;
    char *symbols = many("\"A_SYMBOL_WITH_A_LONG_NAME_", "\":{}", RSPAMD_SYMBOLS_MAX);
    read_members("\"symbols\":{%s}", symbols);
    free(symbols);
    const char *status = result->fields.items[0].value;
    assert_in_range(strlen(status), 4000, 4300);
    for (const char *word = status; *word; word += strspn(word, " ")) {
        size_t size = strcspn(word, " ");
        assert_true(size < 300);
        word += size;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_places_and_kinds),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_odd_bytes),
        cmocka_unit_test(test_fields_of_others),
        cmocka_unit_test(test_a_long_name_of_a_virus),
        cmocka_unit_test(test_actions_and_numbers),
        cmocka_unit_test(test_long_status),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scan_result_free(result);
    return failed;
}
