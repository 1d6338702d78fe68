#include "smtp/parameter.h"

#include "../test.h"

static struct mail_parameters out;

static enum parameter_result parse(const char *text)
{
    return mail_parameters_parse(text, &out);
}

static void none(void **state)
{
    (void)state;
    assert_int_equal(parse(""), PARAMETER_OK);
    assert_true(out.size == 0 && !out.eight_bit && !out.smtputf8);
    assert_int_equal(parse("  "), PARAMETER_OK);
}

static void all_of_them(void **state)
{
    (void)state;
    assert_int_equal(parse(" SIZE=12345 BODY=8BITMIME SMTPUTF8"), PARAMETER_OK);
    assert_true(out.size == 12345 && out.eight_bit && out.smtputf8);
    assert_int_equal(parse(" smtpUTF8  body=7bit Size=0"), PARAMETER_OK);
    assert_true(out.size == 0 && !out.eight_bit && out.smtputf8);
}

static void size_limits(void **state)
{
    (void)state;
    assert_int_equal(parse(" SIZE=18446744073709551615"), PARAMETER_OK);
    assert_true(out.size == UINT64_MAX);
    assert_int_equal(parse(" SIZE=18446744073709551616"), PARAMETER_OK);
    assert_true(out.size == UINT64_MAX);
    assert_int_equal(parse(" SIZE=99999999999999999999"), PARAMETER_OK); /* 20 digits */
    assert_true(out.size == UINT64_MAX);
    assert_int_equal(parse(" SIZE=000000000000000000001"), PARAMETER_BAD); /* 21 */
    assert_int_equal(parse(" SIZE=18446744073709551614"), PARAMETER_OK);
    assert_true(out.size == UINT64_MAX - 1);
}

static void bad_ones(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SIZE=1",
        "x",
        " SIZE",
        " SIZE=",
        " SIZE=-1",
        " SIZE=1a",
        " SIZE=1=2",
        " SIZE=1 SIZE=2",
        " BODY",
        " BODY=",
        " BODY=BINARY",
        " BODY=7BIT BODY=7BIT",
        " SMTPUTF8=1",
        " SMTPUTF8=",
        " SMTPUTF8 SMTPUTF8",
        " =1",
        " -X",
        " X_Y=1",
        " X=a\x7f",
        " X=\xc3\xb6",
        " \xc3\xb6",
        " SIZE=1\tBODY=7BIT",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (parse(texts[i]) != PARAMETER_BAD)
            fail_msg("taken: \"%s\"", texts[i]);
}

static void unknown_ones(void **state)
{
    (void)state;
    assert_int_equal(parse(" RET=HDRS"), PARAMETER_UNKNOWN);
    assert_int_equal(parse(" SIZE=1 XYZ"), PARAMETER_UNKNOWN);
    assert_int_equal(parse(" SIZ=1"), PARAMETER_UNKNOWN);
    assert_int_equal(parse(" SIZES=1"), PARAMETER_UNKNOWN);
    assert_int_equal(parse(" 8x-Y=!~"), PARAMETER_UNKNOWN);
}

static void of_rcpt(void **state)
{
    (void)state;
    assert_int_equal(rcpt_parameters_parse(""), PARAMETER_OK);
    assert_int_equal(rcpt_parameters_parse(" NOTIFY=NEVER"), PARAMETER_UNKNOWN);
    assert_int_equal(rcpt_parameters_parse(" SIZE=1"), PARAMETER_UNKNOWN);
    assert_int_equal(rcpt_parameters_parse(" =x"), PARAMETER_BAD);
    assert_int_equal(rcpt_parameters_parse("x"), PARAMETER_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none),     cmocka_unit_test(all_of_them),  cmocka_unit_test(size_limits),
        cmocka_unit_test(bad_ones), cmocka_unit_test(unknown_ones), cmocka_unit_test(of_rcpt),
    };
    return RUN_TESTS(tests);
}
