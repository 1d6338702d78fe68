#include "smtp/parameter.h"

#include <stdio.h>

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
    assert_int_equal(parse(" NOTIFY=NEVER"), PARAMETER_UNKNOWN);
    assert_int_equal(parse(" SIZE=1 XYZ"), PARAMETER_UNKNOWN);
    assert_int_equal(parse(" SIZ=1"), PARAMETER_UNKNOWN);
    assert_int_equal(parse(" SIZES=1"), PARAMETER_UNKNOWN);
    assert_int_equal(parse(" 8x-Y=!~"), PARAMETER_UNKNOWN);
}

static void of_rcpt(void **state)
{
    (void)state;
    assert_int_equal(rcpt_parameters_parse(""), PARAMETER_OK);
    assert_int_equal(rcpt_parameters_parse(" SIZE=1"), PARAMETER_UNKNOWN);
    assert_int_equal(rcpt_parameters_parse(" =x"), PARAMETER_BAD);
    assert_int_equal(rcpt_parameters_parse("x"), PARAMETER_BAD);
}

/* RFC 3461 section 4; both sides of each limit. */
static void dsn(void **state)
{
    (void)state;
    static const char *const good[] = {
        " NOTIFY=NEVER",
        " NOTIFY=success,Failure,DELAY ORCPT=rfc822;user+2Btag@example.com",
        " ORCPT=rfc822;x",
    };
    static const char *const bad[] = {
        " NOTIFY",
        " NOTIFY=",
        " NOTIFY=NEVER,DELAY",
        " NOTIFY=,DELAY",
        " NOTIFY=DELAY,",
        " NOTIFY=OFTEN",
        " ORCPT",
        " ORCPT=x",
        " ORCPT=;x",
        " ORCPT=rfc822;",
        " ORCPT=rfc822;a+2b",
        " ORCPT=rfc822;a+2",
        " ORCPT=rfc822;a=",
        " NOTIFY=NEVER NOTIFY=NEVER",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(rcpt_parameters_parse(good[i]), PARAMETER_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(rcpt_parameters_parse(bad[i]), PARAMETER_BAD);
    assert_int_equal(parse(" RET=FULL ENVID=a+20b"), PARAMETER_OK);
    assert_int_equal(parse(" RET=hdrs"), PARAMETER_OK);
    assert_int_equal(parse(" RET=SOME"), PARAMETER_BAD);
    assert_int_equal(parse(" ENVID=a+"), PARAMETER_BAD);
    char text[600];
    snprintf(text, sizeof text, " ENVID=%0100d", 1);
    assert_int_equal(parse(text), PARAMETER_OK);
    snprintf(text, sizeof text, " ENVID=%0101d", 1);
    assert_int_equal(parse(text), PARAMETER_BAD);
    snprintf(text, sizeof text, " ORCPT=rfc822;%0493d", 1);
    assert_int_equal(rcpt_parameters_parse(text), PARAMETER_OK);
    snprintf(text, sizeof text, " ORCPT=rfc822;%0494d", 1);
    assert_int_equal(rcpt_parameters_parse(text), PARAMETER_BAD);
}

static void body(void **state)
{
    (void)state;
    assert_int_equal(parse(" BODY=BINARYMIME"), PARAMETER_OK);
    assert_true(out.binary && out.eight_bit && !out.require_tls);
    assert_int_equal(parse(" BODY=8BITMIME REQUIRETLS"), PARAMETER_OK);
    assert_true(!out.binary && out.eight_bit && out.require_tls);
    assert_int_equal(parse(" REQUIRETLS=1"), PARAMETER_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dsn),          cmocka_unit_test(body),        cmocka_unit_test(none),
        cmocka_unit_test(all_of_them),  cmocka_unit_test(size_limits), cmocka_unit_test(bad_ones),
        cmocka_unit_test(unknown_ones), cmocka_unit_test(of_rcpt),
    };
    return RUN_TESTS(tests);
}
