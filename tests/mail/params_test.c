#include "mail_test.h"

#include <errno.h>

#include "mail/params.h"

static void assert_type(const char *value, const char *expected)
{
    char type[40];
    bool good = params_type(value, strlen(value), type, sizeof type);
    assert_string_equal(good ? type : "none", expected);
}

static void assert_text(const char *value, const char *name, const char *expected)
{
    struct buffer out = {0};
    int status = params_text(value, strlen(value), name, &out);
    assert_int_equal(status, expected ? 0 : -ENOENT);
    if (expected)
        assert_buffer(&out, expected);
}

static void test_type(void **state)
{
    (void)state;
    assert_type("text/plain", "text/plain");
    assert_type(" TEXT/Html; charset=x", "text/html");
    assert_type("text / plain", "text/plain");
    assert_type("image/svg+xml", "image/svg+xml");
    assert_type("text/plain\xE9", "text/plain");
    assert_type("\xE9/plain", "none");
    assert_type("text", "none");
    assert_type("text/", "none");
    assert_type("/plain", "none");
    assert_type("", "none");
    assert_type("application/0123456789012345678901234567890123456789", "none"); /* too long */
}

static void test_plain(void **state)
{
    (void)state;
    assert_text("text/plain; charset=utf-8", "charset", "utf-8");
    assert_text("text/plain; CHARSET = \"utf-8\" ; x=y", "charset", "utf-8");
    assert_text("text/plain", "charset", NULL);
    assert_text("text/plain; charset", "charset", NULL);
    assert_text("attachment; filename=\"a \\\"b\\\".txt\"", "filename", "a \"b\".txt");
    assert_text("attachment; filename=\"C:\\dir\\file.txt\"", "filename", "C:\\dir\\file.txt");
    assert_text("attachment; filename=my file (1).pdf; size=3", "filename", "my file (1).pdf");
    assert_text("attachment filename=a.txt", "filename", "a.txt"); /* no semicolon */
    assert_text("attachment; filename=\"never closed", "filename", "never closed");
    assert_text("attachment; filename=\"a;b.txt\"; x=\"y\"", "x", "y");
    assert_text("attachment; filename=", "filename", "");
    assert_text("attachment; filename=a; filename=b", "filename", "a");
    assert_text("attachment;\r\n filename=\"fol\r\n ded\"", "filename", "fol ded");
    assert_text("attachment; notfilename=a", "filename", NULL);
}

static void test_rfc2231(void **state)
{
    (void)state;
    assert_text("a; name*=utf-8''%C3%A9.txt", "name", "é.txt");
    assert_text("a; name*=iso-8859-1'fr'%E9.txt", "name", "é.txt");
    assert_text("a; name*0=one; name*1=two", "name", "onetwo");
    assert_text("a; name*1=two; name*0=one", "name", "onetwo");
    assert_text("a; name*0*=utf-8''%C3; name*1*=%A9; name*2=\".t%41t\"", "name", "é.t%41t");
    assert_text("a; name*10=k; name*9=j; name*0=a", "name", "ajk");
    assert_text("a; name*=%C3%A9", "name", "é");         /* no charset at all */
    assert_text("a; name*=nobody''%C3%A9", "name", "é"); /* one that nobody knows */
    assert_text("a; name*=utf-8''%E9", "name", "\xEF\xBF\xBD");
    assert_text("a; name*=utf-8''100%", "name", "100%");
    assert_text("a; name*=\"utf-8''%C3%A9\"", "name", "é"); /* quoted, against the RFC */
    assert_text("a; name*x=1", "name", NULL);
}

static void test_three_ways_at_once(void **state)
{
    (void)state;
    assert_text("a; name=c; name*0=b; name*=utf-8''a", "name", "a");
    assert_text("a; name=c; name*0=b", "name", "b");
}

static void test_encoded_words(void **state)
{
    (void)state;
    assert_text("a; name=\"=?utf-8?q?=C3=A9.txt?=\"", "name", "é.txt");
    assert_text("a; name==?utf-8?q?=C3=A9.txt?=", "name", "é.txt");
    assert_text("a; name=\"=?utf-8?q?a?=\r\n =?utf-8?q?b?=\"", "name", "ab");
    assert_text("a; name*0=\"=?utf-8?q?=C3\"; name*1=\"=A9?=\"", "name", "é");
    assert_text("a; name=\"caf\xC3\xA9\"", "name", "café");
    assert_text("a; name=\"caf\xE9\"", "name", "café");
}

static void test_bytes(void **state)
{
    (void)state;
    struct buffer out = {0};
    static const char value[] = "multipart/mixed; boundary=\"\xE9=?x\"";
    assert_int_equal(params_bytes(value, sizeof value - 1, "boundary", &out), 0);
    assert_buffer(&out, "\xE9=?x");
    char token[8];
    params_token(" \"Inline\"; x", 12, token, sizeof token);
    assert_string_equal(token, "inline");
    params_token("attachment", 10, token, sizeof token);
    assert_string_equal(token, "attachm");
    params_token("", 0, token, sizeof token);
    assert_string_equal(token, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_type),          cmocka_unit_test(test_plain),
        cmocka_unit_test(test_rfc2231),       cmocka_unit_test(test_three_ways_at_once),
        cmocka_unit_test(test_encoded_words), cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
