/* Which characters reach a log or a terminal as they are. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/printable.h"

static size_t of(const char *text)
{
    return printable(text, strlen(text));
}

static void what_is_text_is_shown(void **state)
{
    (void)state;
    assert_int_equal(of("a"), 1);
    assert_int_equal(of(" "), 1);
    assert_int_equal(of("~"), 1);
    assert_int_equal(of("\xc2\xa0"), 2);         /* the first past C1 */
    assert_int_equal(of("\xc3\xbc"), 2);         /* u umlaut */
    assert_int_equal(of("\xe2\x82\xac"), 3);     /* euro */
    assert_int_equal(of("\xed\x9f\xbf"), 3);     /* the last before surrogates */
    assert_int_equal(of("\xf0\x9f\x93\xa7"), 4); /* an envelope */
    assert_int_equal(of("\xf4\x8f\xbf\xbf"), 4); /* the last of all */
}

static void what_acts_is_not(void **state)
{
    static const char *const texts[] = {"\x01",
                                        "\x1b[31m",
                                        "\x7f",
                                        "\xc2\x80",
                                        ("\xc2\x9b"
                                         "31m"),
                                        "\xc2\x9f",
                                        "\xd8\x9c",
                                        "\xe2\x80\x8b",
                                        "\xe2\x80\x8e",
                                        "\xe2\x80\x8f",
                                        "\xe2\x80\xa8",
                                        "\xe2\x80\xaa",
                                        "\xe2\x80\xae",
                                        "\xe2\x81\xa6",
                                        "\xe2\x81\xa9",
                                        "\xef\xbb\xbf",
                                        "\xf3\xa0\x80\xa1"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (of(texts[i]) != 0)
            fail_msg("text %zu is shown", i);
    assert_int_equal(printable("", 1), 0); /* NUL */
    assert_int_equal(printable("a", 0), 0);
}

static void what_is_no_utf8_is_not(void **state)
{
    static const char *const texts[] = {"\x80",
                                        "\xbf",
                                        "\xc0\xaf",
                                        "\xc1\xbf",
                                        "\xc3",
                                        "\xc3(",
                                        "\xe0\x9f\xbf",
                                        "\xe2\x82",
                                        "\xed\xa0\x80",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xf4\x90\x80\x80",
                                        "\xf8\x88\x80\x80",
                                        "\xff"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (of(texts[i]) != 0)
            fail_msg("text %zu is shown", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_text_is_shown),
        cmocka_unit_test(what_acts_is_not),
        cmocka_unit_test(what_is_no_utf8_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
