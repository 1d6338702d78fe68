#include "mail_test.h"

#include "mail/date.h"

static void assert_date(const char *text, int64_t expected)
{
    int64_t seconds = -1;
    if (!date_read(text, &seconds))
        fail_msg("%s: cannot be read", text);
    if (seconds != expected)
        fail_msg("%s: %lld instead of %lld", text, (long long)seconds, (long long)expected);
}

static void assert_no_date(const char *text)
{
    int64_t seconds;
    if (date_read(text, &seconds))
        fail_msg("%s: %lld", text, (long long)seconds);
}

#define TEN_UTC 1748858400 /* 2025-06-02 10:00:00 */

static void test_by_the_rfc(void **state)
{
    (void)state;
    assert_date("Mon, 2 Jun 2025 10:00:00 +0000", TEN_UTC);
    assert_date("2 Jun 2025 12:00:00 +0200", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 10:00 -0000", TEN_UTC);
    assert_date("Mon, 02 Jun 25 06:00:00 EDT", TEN_UTC);
    assert_date("Mon (day), 2 (of) Jun 2025 10:00:00 (o'clock (sharp)) GMT (zone)", TEN_UTC);
    assert_date("Thu, 1 Jan 1970 00:00:00 +0000", 0);
    assert_date("Wed, 31 Dec 1969 23:59:59 +0000", -1);
    assert_date("Sat, 1 Jan 50 00:00:00 +0000", -631152000);
    assert_date("1 Jan 49 00:00:00 +0000", 2493072000);
    assert_date("1 Jan 125 00:00:00 +0000", 1735689600);
    assert_date("Thu, 29 Feb 2024 00:00:00 +0000", 1709164800);
    assert_date("Mon, 31 Dec 1990 23:59:60 +0000", 662688000); /* a leap second */
    assert_date("Mon, 2 Jun 2025 10:00:00 A", TEN_UTC);
}

static void test_zones(void **state)
{
    (void)state;
    assert_date("Mon, 2 Jun 2025 12:00:00 +02:00", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 04:00:00 -600", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 12:00:00 +02", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 12:00:00 +2", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 12:00:00 GMT+0200", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 12:00:00 GMT +0200", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 12:00:00 UTC+02:00", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 12:00:00 UTC+2", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 12:00:00 +0200 CEST", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 12:00:00+0200", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 12:00:00 CEST", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 15:30:00 +0530", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 06:00:00 EST5EDT", TEN_UTC); /* summer */
    assert_date("Sun, 2 Feb 2025 05:00:00 EST5EDT", 1738490400);
    assert_date("Sun, 9 Mar 2025 03:00:00 EST5EDT", 1741503600);
    assert_date("Sun, 9 Mar 2025 01:59:59 EST5EDT", 1741503599);
    assert_date("Mon, 2 Jun 2025 10:00:00", TEN_UTC); /* none is UTC */
    assert_no_date("Mon, 2 Jun 2025 10:00:00 XYZ");
    assert_no_date("Mon, 2 Jun 2025 10:00:00 IST");
    assert_no_date("Mon, 2 Jun 2025 10:00:00 +99:00");
    assert_no_date("Mon, 2 Jun 2025 10:00:00 +0260");
    assert_no_date("Mon, 2 Jun 2025 10:00:00 +");
    assert_no_date("Mon, 2 Jun 2025 10:00:00 +02:0");
    assert_no_date("Mon, 2 Jun 2025 10:00:00 FOO+0200");
    assert_no_date("Mon, 2 Jun 2025 10:00:00 Europe/Berlin");
}

static void test_other_forms(void **state)
{
    (void)state;
    assert_date("Mon, 2 Jun 2025 12:00:00.882 +0200", TEN_UTC);
    assert_date("\"Mon, 2 Jun 2025 12:00:00 +0200\"", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 10:00:00 PM +1200", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 10:00:00PM +1200", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 12:00:00 AM -1000", TEN_UTC);
    assert_date("Mon, 2 Jun 2025 22:00:00 PM +1200", TEN_UTC);
    assert_date("2025-06-02T12:00:00+02:00", TEN_UTC);
    assert_date("2025-06-02T10:00:00Z", TEN_UTC);
    assert_date("2025-06-02T10:00:00.123Z", TEN_UTC);
    assert_date("2025-06-02 12:00:00 +0200", TEN_UTC);
    assert_date("2025-06-02T10:00Z", TEN_UTC);
    assert_date("Mon Jun  2 10:00:00 2025", TEN_UTC); /* asctime() */
    assert_date("Mon Jun  2 12:00:00 2025 +0200", TEN_UTC);
    assert_date("Mon Jun  2 06:00:00 EDT 2025", TEN_UTC);
    assert_date("Monday, 2 June 2025 10:00:00 GMT", TEN_UTC);
    assert_date("Mon, 02-Jun-2025 10:00:00 GMT", TEN_UTC);
    assert_date("Mon,2 Jun 2025 10:00:00 GMT", TEN_UTC);
}

static void test_no_dates(void **state)
{
    (void)state;
    static char long_text[DATE_MAX_SIZE + 2];
    assert_no_date("");
    assert_no_date("yesterday");
    assert_no_date("Mon, 31 Jun 2025 10:00:00 +0000");
    assert_no_date("Sat, 29 Feb 2025 10:00:00 +0000");
    assert_no_date("Mon, 0 Jun 2025 10:00:00 +0000");
    assert_no_date("Mon, 2 Jun 2025 24:00:00 +0000");
    assert_no_date("Mon, 2 Jun 2025 10:60:00 +0000");
    assert_no_date("Mon, 2 Jun 2025 10:00:61 +0000");
    assert_no_date("Mon, 2 Jun 2025 13:00:00 AM +0000");
    assert_no_date("2 Jun 2025");
    assert_no_date("2025-13-01T10:00:00Z");
    assert_no_date("10:00:00 +0000");
    assert_no_date("Mon, 2 Jun 20255 10:00:00 +0000");
    memset(long_text, ' ', DATE_MAX_SIZE + 1);
    memcpy(long_text, "2 Jun 2025 10:00:00 +0000", 25);
    assert_no_date(long_text);
    long_text[DATE_MAX_SIZE] = 0;
    assert_date(long_text, TEN_UTC);
}

static void test_is_written_as_it_is_read(void **state)
{
    (void)state;
    char text[DATE_SIZE];
    int64_t seconds;
    assert_string_equal(date_write(TEN_UTC, text), "Mon, 02 Jun 2025 10:00:00 +0000");
    assert_true(date_read(text, &seconds));
    assert_int_equal(seconds, TEN_UTC);
    assert_string_equal(date_write(-1, text), "Wed, 31 Dec 1969 23:59:59 +0000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_the_rfc),
        cmocka_unit_test(test_zones),
        cmocka_unit_test(test_other_forms),
        cmocka_unit_test(test_no_dates),
        cmocka_unit_test(test_is_written_as_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
