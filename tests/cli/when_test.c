/* Times as people write them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#include "cli/when.h"

#define NOW_MS 1784108096123ll /* 2026-07-15T09:34:56.123Z, a Wednesday */
#define DAY_MS 86400000ll
#define TODAY  (NOW_MS - NOW_MS % DAY_MS)

static void check(const char *text, int64_t expected)
{
    int64_t ms = -1;
    if (!when_parse(text, NOW_MS, &ms) || ms != expected)
        fail_msg("%s: %lld, not %lld", text, (long long)ms, (long long)expected);
}

static void how_long_ago(void **state)
{
    (void)state;
    check("0s", NOW_MS);
    check("30s", NOW_MS - 30000);
    check("30m", NOW_MS - 1800000);
    check("2h", NOW_MS - 7200000);
    check("2h ago", NOW_MS - 7200000);
    check("1.5h", NOW_MS - 5400000);
    check("2d", NOW_MS - 2 * DAY_MS);
    check("1w", NOW_MS - 7 * DAY_MS);
    check("1d12h30m", NOW_MS - DAY_MS - 45000000);
}

static void words_and_times_of_today(void **state)
{
    (void)state;
    check("now", NOW_MS);
    check("today", TODAY);
    check("Yesterday", TODAY - DAY_MS);
    check("yesterday 10:00", TODAY - DAY_MS + 36000000);
    check("Today 10:00Z", TODAY + 36000000);
    check("10:00", TODAY + 36000000);
    check("23:59:59", TODAY + DAY_MS - 1000);
    check("00:00+02:00", TODAY - 7200000);
}

static void dates_with_and_without_zones(void **state)
{
    (void)state;
    check("2026-07-15", TODAY);
    check("2024-02-29", 1709164800000);
    check("2026-07-15 10:00", TODAY + 36000000);
    check("2026-07-15T10:00:30", TODAY + 36030000);
    check("2026-07-15T10:00:30Z", TODAY + 36030000);
    check("2026-07-15T10:00:30.250Z", TODAY + 36030250);
    check("2026-07-15t10:00:30z", TODAY + 36030000);
    check("2026-07-15T10:00:00+02:00", TODAY + 28800000);
    check("2026-07-15 10:00 -0530", TODAY + 36000000 + 19800000);
    check("2026-07-15 10:00 UTC", TODAY + 36000000);
    check("2026-07-15T10:00+02", TODAY + 28800000);
    check("2026-07-15 10:00 -05", TODAY + 36000000 + 18000000);
}

static void without_a_zone_it_is_the_local_time(void **state)
{
    (void)state;
    setenv("TZ", "XYZ-02:00", 1); /* two hours ahead of UTC */
    tzset();
    check("10:00", TODAY + 28800000);
    check("10:00Z", TODAY + 36000000);
    check("today", TODAY - 7200000);
    check("yesterday", TODAY - DAY_MS - 7200000);
    check("2026-07-15", TODAY - 7200000);
    check("2026-07-15T10:00", TODAY + 28800000);
    check("2026-07-15T10:00+02:00", TODAY + 28800000);
    check("1d", NOW_MS - DAY_MS);
    setenv("TZ", "UTC", 1);
    tzset();
}

static void what_is_none(void **state)
{
    static const char *const texts[] = {"",
                                        " ",
                                        "h",
                                        "2",
                                        "2x",
                                        "-2h",
                                        "2h3",
                                        "h2",
                                        "2h later",
                                        "9999999w",
                                        "1e300w",
                                        "tomorrow",
                                        "yesterday ",
                                        "yesterday noon",
                                        "yesterday 2h",
                                        "yesterdays",
                                        "10:00+2",
                                        "10:00+15",
                                        "25:00",
                                        "10:60",
                                        "10",
                                        "10:0",
                                        "10:00:",
                                        "2026",
                                        "2026-07",
                                        "2026-13-01",
                                        "2026-02-30",
                                        "2026-07-15T",
                                        "2026-07-15 ",
                                        "2026-07-15X",
                                        "2026-07-15T10:00+25:00",
                                        "2026-07-15T10:00 CEST",
                                        "15.07.2026"};
    int64_t ms;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (when_parse(texts[i], NOW_MS, &ms))
            fail_msg("'%s' is taken for a time", texts[i]);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_long_ago),
        cmocka_unit_test(words_and_times_of_today),
        cmocka_unit_test(dates_with_and_without_zones),
        cmocka_unit_test(without_a_zone_it_is_the_local_time),
        cmocka_unit_test(what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
