#include "mail_test.h"

#include "mail/charset.h"

#define R UTF8_REPLACEMENT

static void assert_text(const char *charset, const char *bytes, size_t size, const char *expected)
{
    struct buffer out = {0};
    assert_int_equal(charset_append(&out, charset, bytes, size), 0);
    assert_buffer(&out, expected);
    struct charset_converter converter;
    assert_int_equal(charset_open(&converter, charset), 0);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(charset_write(&converter, bytes + i, 1, buffer_sink, &out), 0);
    assert_int_equal(charset_end(&converter, buffer_sink, &out), 0);
    assert_buffer(&out, expected);
    charset_close(&converter);
}

static void test_declared(void **state)
{
    (void)state;
    assert_text("utf-8", BYTES("\xC3\xA9"), "é");
    assert_text("UTF-8", BYTES("\xE9!"), R "!");
    assert_text("iso-8859-15", BYTES("\xA4"), "€");
    assert_text("koi8-r", BYTES("\xC1\xC2"), "аб");
    assert_text("iso-2022-jp", BYTES("\x1B$B\x25\x46\x1B(B!"), "テ!");
    assert_text("utf-16", BYTES("\xFE\xFF\x20\xAC"), "€");
    assert_text("utf-16le", BYTES("\xAC\x20\x3D\xD8\x00\xDE"), "€😀");
    assert_text("utf-7", BYTES("caf+AOk-"), "café");
    assert_text("gb18030", BYTES("\xC4\xE3\xBA\xC3"), "你好");
}

static void test_misnomers(void **state)
{
    (void)state;
    assert_text("utf8", BYTES("\xC3\xA9"), "é");
    assert_text("UTF_8", BYTES("\xC3\xA9"), "é");
    assert_text("ks_c_5601-1987", BYTES("\xC7\xD1"), "한");
    assert_text("KS_C_5601-1987", BYTES("\x8C\x63"), "똠"); /* only in the larger set */
    assert_text("x-sjis", BYTES("\x83\x65\x87\x40"), "テ①");
    assert_text("cp-850", BYTES("\x82"), "é");
    assert_text("x-cp1251", BYTES("\xE0"), "а");
    assert_text("win-1251", BYTES("\xE0"), "а");
    assert_text("x-windows-1251", BYTES("\xE0"), "а");
    assert_text("iso8859_2", BYTES("\xB1"), "ą");
    assert_text("iso-8859-8-i", BYTES("\xE0"), "א");
    assert_text("iso-8859-1", BYTES("\x93x\x94"), "“x”"); /* windows-1252 really */
    assert_text("latin1", BYTES("\xE9"), "é");
    assert_text("gb2312", BYTES("\x80\x81\x30\x81\x30"), R "\xC2\x80");
    assert_text("gb2312", BYTES("\xE9\x46"), "镕"); /* in GBK, not in GB 2312 */
    assert_text("big5", BYTES("\xA4\xA4"), "中");
}

static void test_nothing_declared(void **state)
{
    (void)state;
    const char *const names[] = {
        NULL,
        "",
        "us-ascii",
        "unknown-8bit",
        "x-unknown",
        "no-such-charset",
        "../../etc/passwd",
        "utf-8//TRANSLIT,x",
        "a-name-of-a-charset-that-is-much-longer-than-any-charset-has-ever-had"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_text(names[i], BYTES("plain"), "plain");
        assert_text(names[i], BYTES("\xC3\xA9"), "é");
        assert_text(names[i], BYTES("\xC3\xA9 \xE9 \x81"), "é " R " " R);
    }
}

static void test_undecodable(void **state)
{
    (void)state;
    assert_text("euc-jp", BYTES("\xA5\xC6\xFF!"), "テ" R "!");
    assert_text("euc-jp", BYTES("a\xA5"), "a" R); /* cut */
    assert_text("utf-16be", BYTES("\xD8\x00\x00\x61\x00"), R "a" R);
    assert_text("iso-2022-jp", BYTES("\x1B$Bz\xFF\x1B(Bok"), R R "ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_declared),
        cmocka_unit_test(test_misnomers),
        cmocka_unit_test(test_nothing_declared),
        cmocka_unit_test(test_undecodable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
