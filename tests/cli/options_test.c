/* Options of a sub-command: numbers at both ends of their range and one past each, what is no number, operands. */
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../test.h"
#include "cli/cli.h"

static char written[2048];
static int number, delay;
static bool quiet;
static const char *text, *read_value;

static const char *read_it(void *context, const char *value)
{
    *(const char **)context = value;
    return strcmp(value, "bad") == 0 ? "a good one" : NULL;
}

static const struct cli_option options[] = {
    {.name = "number", .letter = 'n', .number = &number, .min = 3, .max = 9},
    {.name = "delay", .number = &delay, .min = INT_MIN, .max = INT_MAX},
    {.name = "quiet", .letter = 'q', .flag = &quiet},
    {.name = "text", .letter = 't', .text = &text},
    {.name = "read", .read = read_it},
    {0}};

/* The exit code, or -1 to go on; what is written to stderr and stdout is in `written`. */
static int run(const char *a, const char *b, const char *operand)
{
    char *argv[] = {"sub", (char *)a, (char *)b, (char *)operand, NULL};
    int argc = 1;
    while (argv[argc])
        argc++;
    FILE *capture = tmpfile();
    fflush(stdout);
    int saved_out = dup(STDOUT_FILENO), saved = dup(STDERR_FILENO);
    dup2(fileno(capture), STDERR_FILENO);
    dup2(fileno(capture), STDOUT_FILENO);
    number = delay = -7;
    quiet = false;
    text = read_value = NULL;
    int code = cli_options(argc, argv, "HELP\n", options, &read_value);
    const char *value = NULL;
    if (code < 0 && operand)
        code = cli_operand(argc, argv, "FILE", &value);
    fflush(stdout);
    dup2(saved, STDERR_FILENO);
    dup2(saved_out, STDOUT_FILENO);
    close(saved);
    close(saved_out);
    rewind(capture);
    written[fread(written, 1, sizeof written - 1, capture)] = 0;
    fclose(capture);
    return code;
}

static void check_number(const char *option, const int *is, const char *value, long long expected)
{
    bool good = expected >= INT_MIN;
    int code = run(option, value, NULL);
    if (code != (good ? -1 : CLI_USAGE) || *is != (good ? expected : -7))
        fail_msg("%s '%s': %d, %d", option, value, code, *is);
}

#define WRONG ((long long)INT_MIN - 1)

static void numbers_keep_to_their_range(void **state)
{
    (void)state;
    check_number("--number", &number, "3", 3);
    check_number("--number", &number, "9", 9);
    check_number("-n", &number, "4", 4);
    check_number("--number", &number, "2", WRONG);
    assert_string_equal(written, "mxhook sub: --number '2': a number from 3 to 9 was expected\n"
                                 "Try: mxhook sub --help\n");
    check_number("--number", &number, "10", WRONG);
    check_number("--delay", &delay, "2147483647", INT_MAX);
    check_number("--delay", &delay, "2147483648", WRONG);
    check_number("--delay", &delay, "-2147483648", INT_MIN);
    check_number("--delay", &delay, "-2147483649", WRONG);
}

static void what_is_no_number_is_refused(void **state)
{
    static const char *const wrong[] = {"",  "x", "4x", "4 ", "0x4", "4.0", "99999999999999999999",
                                        "--"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_number("--number", &number, wrong[i], WRONG);
}

static void flags_texts_and_readers(void **state)
{
    (void)state;
    assert_int_equal(run("-q", "--text=a", NULL), -1);
    assert_true(quiet);
    assert_string_equal(text, "a");
    assert_int_equal(run("-tb", "--read=good", NULL), -1);
    assert_false(quiet);
    assert_string_equal(text, "b");
    assert_string_equal(read_value, "good");
    assert_int_equal(run("--read", "bad", NULL), CLI_USAGE);
    assert_non_null(strstr(written, "--read 'bad': a good one was expected\n"));
}

static void help_and_what_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(run("-h", NULL, NULL), CLI_OK);
    assert_string_equal(written, "HELP\n");
    assert_int_equal(run("--help", "--number=99", NULL), CLI_OK);
    assert_int_equal(run("--unknown", NULL, NULL), CLI_USAGE);
    assert_non_null(strstr(written, "Try: mxhook sub --help\n"));
    assert_null(strstr(written, "Did you mean"));
    assert_int_equal(run("--nubmer=5", NULL, NULL), CLI_USAGE);
    assert_non_null(strstr(written, "\nDid you mean '--number'? Try: mxhook sub --help\n"));
    assert_int_equal(run("--tex", NULL, NULL),
                     CLI_USAGE); /* a value is missing: the name is known */
    assert_null(strstr(written, "Did you mean"));
    assert_int_equal(run("-z", NULL, NULL), CLI_USAGE);
    assert_null(strstr(written, "Did you mean"));
    assert_int_equal(run("--number", NULL, NULL), CLI_USAGE);    /* without its value */
    assert_int_equal(run("--number=99", "-h", NULL), CLI_USAGE); /* the first mistake ends it */
}

static int operands(int argc, char **argv, const char *name, const char **value)
{
    FILE *capture = tmpfile();
    int saved = dup(STDERR_FILENO);
    dup2(fileno(capture), STDERR_FILENO);
    optind = 1;
    int code = cli_operand(argc, argv, name, value);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(capture);
    written[fread(written, 1, sizeof written - 1, capture)] = 0;
    fclose(capture);
    return code;
}

static void operands_are_as_many_as_expected(void **state)
{
    char *argv[] = {"sub", "one", "two", NULL};
    const char *value = NULL;
    (void)state;
    assert_int_equal(operands(2, argv, "FILE", &value), -1);
    assert_string_equal(value, "one");
    assert_int_equal(operands(1, argv, "FILE", &value), CLI_USAGE);
    assert_string_equal(written, "mxhook sub: one FILE is expected\nTry: mxhook sub --help\n");
    assert_int_equal(operands(3, argv, "FILE", &value), CLI_USAGE);
    assert_int_equal(operands(1, argv, NULL, NULL), -1);
    assert_int_equal(operands(2, argv, NULL, NULL), CLI_USAGE);
    assert_string_equal(written, "mxhook sub: 'one' is not expected\nTry: mxhook sub --help\n");
}

static void an_error_of_several_lines_has_the_command_on_each(void **state)
{
    struct error err = {.text = "a\nb\n"};
    FILE *capture = tmpfile();
    int saved = dup(STDERR_FILENO);
    (void)state;
    dup2(fileno(capture), STDERR_FILENO);
    int code = cli_fail("sub", &err);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(capture);
    written[fread(written, 1, sizeof written - 1, capture)] = 0;
    fclose(capture);
    assert_int_equal(code, CLI_FAILED);
    assert_string_equal(written, "mxhook sub: a\nmxhook sub: b\n");
    assert_true(cli_is_blank(" \t\r\n"));
    assert_true(cli_is_blank(""));
    assert_false(cli_is_blank(" a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_keep_to_their_range),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(flags_texts_and_readers),
        cmocka_unit_test(help_and_what_is_unknown),
        cmocka_unit_test(operands_are_as_many_as_expected),
        cmocka_unit_test(an_error_of_several_lines_has_the_command_on_each),
    };
    return RUN_TESTS(tests);
}
