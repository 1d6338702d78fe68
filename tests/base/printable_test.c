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

static size_t of_character(uint32_t c)
{
    const char one[] = {(char)c}, two[] = {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f))};
    const char three[] = {(char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 0x3f)),
                          (char)(0x80 | (c & 0x3f))};
    const char four[] = {(char)(0xf0 | c >> 18), (char)(0x80 | (c >> 12 & 0x3f)),
                         (char)(0x80 | (c >> 6 & 0x3f)), (char)(0x80 | (c & 0x3f))};
    return c < 0x80      ? printable(one, 1)
           : c < 0x800   ? printable(two, 2)
           : c < 0x10000 ? printable(three, 3)
                         : printable(four, 4);
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

/* Both ends of each range, and their neighbours. */
static void each_range_ends_where_it_does(void **state)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},
                  {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
                  {0xd800, 0xdfff}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff}};
    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        assert_int_equal(of_character(ranges[i].first), 0);
        assert_int_equal(of_character(ranges[i].last), 0);
        if (ranges[i].first > 0)
            assert_int_not_equal(of_character(ranges[i].first - 1), 0);
        assert_int_not_equal(of_character(ranges[i].last + 1), 0);
    }
}

/* The last bytes are not the text's own. */
static void what_is_cut_off_is_not(void **state)
{
    static const char *const texts[] = {"\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x93\xa7"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(printable(texts[i], i + 1), 0);
        assert_int_equal(printable(texts[i], i + 2), i + 2);
        assert_int_equal(printable(texts[i], i + 3), i + 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_text_is_shown),  cmocka_unit_test(what_acts_is_not),
        cmocka_unit_test(what_is_no_utf8_is_not), cmocka_unit_test(each_range_ends_where_it_does),
        cmocka_unit_test(what_is_cut_off_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
