/* Durations: each unit, and what is none. */
#include "base/duration.h"

#include "../test.h"

static void assert_read(const char *text, double ms, const char *rest)
{
    const char *end = "";
    assert_true(duration_read(text, &end) == ms);
    assert_string_equal(end, rest);
}

static void assert_none(const char *text)
{
    const char *end;
    assert_true(duration_read(text, &end) == -1);
}

static void reads_each_unit(void **state)
{
    (void)state;
    assert_read("100ms", 100, "");
    assert_read("5s", 5000, "");
    assert_read("1.5s", 1500, "");
    assert_read("10 m", 600000, "");
    assert_read("6h", 21600000, "");
    assert_read("1d", 86400000, "");
    assert_read("2w", 1209600000, "");
    assert_read("0s", 0, "");
    assert_read("1d12h", 86400000, "12h");
    assert_read("2h ago", 7200000, " ago");
}

static void reads_nothing_else(void **state)
{
    static const char *const none[] = {"",     "5",     "s",    ".5s",  "-1s", "+1s", "5x", "5S",
                                       "5sec", "0x10s", "1e3s", "5  s", " 5s", "5M",  "nan"};
    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_none(none[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_each_unit),
        cmocka_unit_test(reads_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
