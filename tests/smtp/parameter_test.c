#include "smtp/parameter.h"

#include <stdio.h>
#include <string.h>

#include "../test.h"

static struct mail_parameters out;
static struct parameter_name name;

static void assert_name(const char *expected)
{
    assert_int_equal(name.length, strlen(expected));
    assert_memory_equal(name.text, expected, strlen(expected));
}

static enum parameter_result parse(const char *text)
{
    return mail_parameters_parse(text, &out, &name);
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
    assert_int_equal(parse(" SIZE=000000000000000000001"), PARAMETER_OK);
    assert_true(out.size == 1);
    assert_int_equal(parse(" SIZE=18446744073709551614"), PARAMETER_OK);
    assert_true(out.size == UINT64_MAX - 1);
}

static void bad_values(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
    } cases[] = {
        {" SIZE", "SIZE"},
        {" SIZE=", "SIZE"},
        {" size=-1", "size"},
        {" SIZE=1a", "SIZE"},
        {" SIZE=1=2", "SIZE"},
        {" SIZE=1 BODY", "BODY"},
        {" BODY=", "BODY"},
        {" BODY=BINARY", "BODY"},
        {" SMTPUTF8=1", "SMTPUTF8"},
        {" SMTPUTF8=", "SMTPUTF8"},
        {" REQUIRETLS=1", "REQUIRETLS"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (parse(cases[i].text) != PARAMETER_BAD)
            fail_msg("taken: \"%s\"", cases[i].text);
        assert_name(cases[i].name);
    }
}

static void unknown_ones(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
    } cases[] = {
        {" NOTIFY=NEVER", "NOTIFY"},
        {" SIZE=1 XYZ", "XYZ"},
        {" SIZ=1", "SIZ"},
        {" SIZES=1", "SIZES"},
        {" =1", ""},
        {" (comment)", "(comment)"},
        {" <c@d.example>", "<c@d.example>"},
        {" X=\xc3\xb6", "X"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (parse(cases[i].text) != PARAMETER_UNKNOWN)
            fail_msg("known: \"%s\"", cases[i].text);
        assert_name(cases[i].name);
    }
    assert_int_equal(rcpt_parameters_parse(" SIZE=1", &name), PARAMETER_UNKNOWN);
    assert_name("SIZE");
}

/* The last one counts. */
static void given_twice(void **state)
{
    (void)state;
    assert_int_equal(parse(" SIZE=1 SIZE=20"), PARAMETER_OK);
    assert_true(out.size == 20);
    assert_int_equal(parse(" BODY=BINARYMIME BODY=7BIT"), PARAMETER_OK);
    assert_true(!out.binary && !out.eight_bit);
    assert_int_equal(parse(" SMTPUTF8 SMTPUTF8"), PARAMETER_OK);
    assert_int_equal(parse(" SIZE=1\tSIZE=3 \t "), PARAMETER_OK);
    assert_true(out.size == 3);
}

/* What we do nothing with refuses no mail, whatever its value. */
static void without_effect(void **state)
{
    (void)state;
    static const char *const mail[] = {
        " ENVID=X400-MTS-Identifier:+20[/PRMD+3dFirst+20Org/C+3dGB/;DC01-98]",
        " ENVID=a=b@c",
        " ENVID=a+",
        " ENVID=",
        " ENVID",
        " AUTH=<bounces+SRS=Nsvoo=YB@a.example>",
        " AUTH=<>",
        " AUTH=",
        " RET=FULL RET=HDRS",
        " RET=SOME",
    };
    static const char *const rcpt[] = {
        "",
        " ORCPT=rfc822;SRS0=xx=yy=a.example=b@example.com",
        " ORCPT=rfc822;a+3db@example.com",
        " ORCPT=rfc822",
        " ORCPT=utf-8;j\xc3\xb6rg@example.com",
        " ORCPT",
        " NOTIFY=FAILURE,",
        " NOTIFY=NEVER,DELAY",
        " NOTIFY=OFTEN NOTIFY",
    };
    for (size_t i = 0; i < sizeof mail / sizeof *mail; i++)
        if (parse(mail[i]) != PARAMETER_OK)
            fail_msg("refused: \"%s\"", mail[i]);
    for (size_t i = 0; i < sizeof rcpt / sizeof *rcpt; i++)
        if (rcpt_parameters_parse(rcpt[i], &name) != PARAMETER_OK)
            fail_msg("refused: \"%s\"", rcpt[i]);
    char text[600];
    snprintf(text, sizeof text, " ENVID=%0500d", 1);
    assert_int_equal(parse(text), PARAMETER_OK);
}

static void body(void **state)
{
    (void)state;
    assert_int_equal(parse(" BODY=BINARYMIME"), PARAMETER_OK);
    assert_true(out.binary && out.eight_bit && !out.require_tls);
    assert_int_equal(parse(" BODY=8BITMIME REQUIRETLS"), PARAMETER_OK);
    assert_true(!out.binary && out.eight_bit && out.require_tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none),         cmocka_unit_test(all_of_them),
        cmocka_unit_test(size_limits),  cmocka_unit_test(bad_values),
        cmocka_unit_test(unknown_ones), cmocka_unit_test(given_twice),
        cmocka_unit_test(body),         cmocka_unit_test(without_effect),
    };
    return RUN_TESTS(tests);
}
