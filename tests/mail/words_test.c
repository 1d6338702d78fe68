#include "mail_test.h"

#include <stdlib.h>

#include "mail/words.h"

static void assert_words(const char *raw, const char *expected)
{
    struct buffer out = {0};
    assert_int_equal(words_decode(&out, raw, strlen(raw)), 0);
    assert_buffer(&out, expected);
}

static void assert_addresses(const char *raw, const char *expected)
{
    struct buffer out = {0};
    assert_int_equal(words_decode_addresses(&out, raw, strlen(raw)), 0);
    assert_buffer(&out, expected);
}

static void test_by_the_rfc(void **state)
{
    (void)state;
    assert_words("plain", "plain");
    assert_words("", "");
    assert_words("=?ISO-8859-1?Q?a?=", "a");
    assert_words("=?ISO-8859-1?Q?a?= b", "a b");
    assert_words("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab");
    assert_words("=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab");
    assert_words("=?ISO-8859-1?Q?a_b?=", "a b");
    assert_words("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b");
    assert_words("=?utf-8?B?w6k=?=", "é");
    assert_words("=?utf-8*fr?Q?=C3=A9?=", "é");
    assert_words("folded\r\n text\n\tover lines", "folded text\tover lines");
}

static void test_malformed(void **state)
{
    (void)state;
    assert_words("=?utf-8?Q?spaces inside?=", "spaces inside");
    assert_words("=?utf-8?Q?=c3=a9?=tail", "étail");
    assert_words("head=?utf-8?Q?=c3=a9?=", "headé");
    assert_words("=?utf-8?Q?a?==?utf-8?Q?b?=", "ab");
    assert_words("=?utf-8?Q?=C3?= =?utf-8?Q?=A9?=", "é");     /* a character in two words */
    assert_words("=?utf-8?B?ww==?= =?utf-8?Q?=A9?=", "é");    /* of two encodings */
    assert_words("=?utf-8?Q?a?=\r\n =?UTF-8?B?Yg?=", "ab");   /* no padding */
    assert_words("=?utf-8?B?w6nDq?= =?utf-8?B?cOo?=", "ééè"); /* one base64 stream */
    assert_words("=?utf-8?B?YQ==?= =?utf-8?B?YQ==?=", "aa");  /* two */
    assert_words("=?utf-8?B?w6k\r\n =?=", "é");               /* folded inside */
    assert_words("=?utf-8?Q?100=?=", "100=");
    assert_words("=?utf-8?Q?why?=20not?=", "why? not");
    assert_words("=?utf-8?Q?"
                 "?=",
                 "");
    assert_words("=?us-ascii?Q?=C3=A9=E9?=", "é\xEF\xBF\xBD");
    assert_words("=?nobody-knows?Q?=C3=A9?=", "é");
    assert_words("=?utf-8?Q?a=0D=0ABcc:_b?=", "a  Bcc: b"); /* one line */
    assert_words("=?utf-8?Q?=E9?=", "\xEF\xBF\xBD");
}

static void test_no_words(void **state)
{
    (void)state;
    assert_words("=?utf-8?Q?no end", "=?utf-8?Q?no end");
    assert_words("=?utf-8?X?a?=", "=?utf-8?X?a?=");
    assert_words("=??Q?a?=", "a");
    assert_words("=?no-such?Q?a=62c?= =?no-such?B?YWJj?=", "abcabc");
    assert_words("=?utf-8?B?SGVsbG8?=", "Hello");
    assert_words("=?utf-8?B?SGVsbG8=IHlvdQ==?=", "Hello you");
    assert_words("=?utf-8?B? SGVs bG8= ?=", "Hello");
    assert_words("=? utf-8 ? Q ?a b=20c?=", "a b c");
    assert_words("=?utf-8?Q?50=_=x_=4_=?=", "50= =x =4 =");
    assert_words("1 =? 2 ?= 3", "1 =? 2 ?= 3");
    assert_words("=?", "=?");
    assert_words("?=", "?=");
    assert_words("=?=", "=?=");
    assert_words("=?a?b?c=?utf-8?q?d?=", "=?a?b?cd");
    assert_words("=?utf-8?q?a =?utf-8?q?b?=", "=?utf-8?q?a b");
    assert_words("=?utf-8?q?a?= =?utf-8?q?", "a =?utf-8?q?");
}

static void test_raw_8bit(void **state)
{
    (void)state;
    assert_words("caf\xC3\xA9", "café");
    assert_words("caf\xE9", "café"); /* windows-1252 */
    assert_words("\xE9 =?utf-8?q?=C3=A9?= \xC3\xA9", "\xEF\xBF\xBD é é");
}

static void test_addresses(void **state)
{
    (void)state;
    assert_addresses("a@b.example", "a@b.example");
    assert_addresses("=?utf-8?q?L=2C_F?= <a@b>", "\"L, F\"  <a@b>");
    assert_addresses("=?utf-8?q?a=22b?= <a@b>", "\"a\\\"b\"  <a@b>");
    assert_addresses("\"=?utf-8?q?L=2C_F?=\" <a@b>", "\"L, F\" <a@b>");
    assert_addresses("\"x>y =?utf-8?q?L=2C?=\" <a@b>", "\"x>y L,\" <a@b>"); /* still quoted */
    assert_addresses("\"x<y (z =?utf-8?q?L=2C?=\" <a@b>", "\"x<y (z L,\" <a@b>");
    assert_addresses("<=?utf-8?q?a?=@b>", "<=?utf-8?q?a?=@b>");
    assert_addresses("a@b (=?utf-8?q?=28x?=)", "a@b (\\(x)");
    assert_addresses("\"a\\\"=?utf-8?q?b?=\" <a@b>", "\"a\\\"b\" <a@b>");
    /* A word that never ends does not reach into the next address. */
    assert_addresses("\"=?utf-8?q?a\" <a@b>, =?utf-8?q?c?= <c@d>",
                     "\"=?utf-8?q?a\" <a@b>, \"c\"  <c@d>");
}

/* Nothing but beginnings, and one end far away: linear, or this would take minutes. */
static void test_many_beginnings(void **state)
{
    (void)state;
    enum { COUNT = 400000 };
    static const char begin[] = "=?utf-8?q?x";
    size_t size = COUNT * (sizeof begin - 1);
    char *raw = malloc(size + 2);
    assert_non_null(raw);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(raw + i * (sizeof begin - 1), begin, sizeof begin - 1);
    struct buffer out = {0};
    assert_int_equal(words_decode(&out, raw, size), 0);
    assert_int_equal(out.size, size);
    out.size = 0;
    memcpy(raw + size, "?=", 2);
    assert_int_equal(words_decode(&out, raw, size + 2), 0);
    assert_int_equal(out.size, size - 10); /* only the last one is a word */
    buffer_free(&out);
    free(raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_the_rfc), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_no_words),   cmocka_unit_test(test_raw_8bit),
        cmocka_unit_test(test_addresses),  cmocka_unit_test(test_many_beginnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
