#include "mail_test.h"

#include <stdio.h>

#include "mail/charset.h"
#include "mail/utf8.h"

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
    assert_text("gb2312", BYTES("\x80\x81\x30\x81\x30"), "€\xC2\x80");
    assert_text("gb2312", BYTES("\xE9\x46"), "镕"); /* in GBK, not in GB 2312 */
    assert_text("big5", BYTES("\xA4\xA4"), "中");
    assert_text("big5", BYTES("\x88\x62\x88\xA5"),
                "\xC3\x8A\xCC\x84\xC3\xAA\xCC\x8C"); /* a code, two characters */
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

/* A bad pair costs two bytes, or one where the second is ASCII. */
static void test_undecodable(void **state)
{
    (void)state;
    assert_text("euc-jp", BYTES("\xA5\xC6\xFF!"), "テ" R "!");
    assert_text("euc-jp", BYTES("a\xA5"), "a" R); /* cut */
    assert_text("euc-jp", BYTES("\xA9\xA9\xA5\xC6"), R "テ");
    assert_text("euc-jp", BYTES("\x8F\xA1\xA1\xA5\xC6"), R "テ");
    assert_text("shift_jis", BYTES("\x81\xFE\x83\x65\x81!"), R "テ" R "!");
    assert_text("gbk", BYTES("\xFE\xFF\xD6\xD0\x81<"), R "中" R "<");
    assert_text("gb18030", BYTES("\x81\x30\x81x"), R "0亁");
    assert_text("gb18030", BYTES("\xE3\x32\x9A\x35\xFE\x39\xFE\x39"), "\xF4\x8F\xBF\xBF" R);
    assert_text("big5", BYTES("\x81\xFE\xA4\xA4\xA4!"), R "中" R "!");
    assert_text("euc-kr", BYTES("\xC9\xA1\xC7\xD1\xC7!"), R "한" R "!");
    assert_text("big5", BYTES("\xA4\x80!\xA4\x7F!"), R "!" R "\x7F!"); /* where ASCII ends */
    assert_text("euc-kr", BYTES("\xC7\x80!\xC7\x7F!"), R "!" R "\x7F!");
    assert_text("utf-16be", BYTES("\xD8\x00\x00\x61\x00"), R "a" R);
    assert_text("utf-16le", BYTES("\x00\xDC\x61\x00"), R "a");
    /* The first and the last of each range of surrogates, and their neighbours. */
    assert_text("utf-16be", BYTES("\xD7\xFF\xE0\x00"), "\xED\x9F\xBF\xEE\x80\x80");
    assert_text("utf-16be", BYTES("\xD8\x00\xDC\x00"), "\xF0\x90\x80\x80");
    assert_text("utf-16be", BYTES("\xDB\xFF\xDF\xFF"), "\xF4\x8F\xBF\xBF");
    assert_text("utf-16be", BYTES("\xDC\x00\x00\x61"), R "a");
    assert_text("utf-16be", BYTES("\xDF\xFF\x00\x61"), R "a");
    assert_text("utf-16be", BYTES("\xDB\xFF\xDB\xFF\xDF\xFF"), R "\xF4\x8F\xBF\xBF");
    assert_text("utf-16be", BYTES("\xDB\xFF\xE0\x00"), R "\xEE\x80\x80");
    assert_text("iso-2022-jp", BYTES("\x1B$Bz\xFF\x1B(Bok"), R R "ok");
    assert_text("windows-1252", BYTES("\x81\x80"), "\xC2\x81€"); /* as browsers show it */
}

static void test_microsofts_rows(void **state)
{
    (void)state;
    assert_text("iso-2022-jp", BYTES("\x1b$B-!;qNA\x1b(B / \x1b$B|b66MM\x1b(B"), "①資料 / 髙橋様");
    assert_text("iso-2022-jp", BYTES("\x1b$B%F%9%H-j2q<R\x1b(B"), "テスト㈱会社");
    assert_text("iso-2022-jp", BYTES("\x1b(I6@6E\x1b(B"), "ｶﾀｶﾅ");
    assert_text("iso-2022-jp", BYTES("\x1b$(D0!\x1b(J\\~\x1b(B\\"), "丂¥‾\\");
    assert_text("iso-2022-jp", BYTES("\x1b$BF|\r\nok"), "日\r\nok"); /* a line ends in ASCII */
    assert_text("cp50220", BYTES("\x1b$B-!\x1b(B"), "①");
    assert_text("iso-2022-jp-ms", BYTES("\x1b$B-!\x1b(B"), "①");
    assert_text("euc-jp", BYTES("\xAD\xA1\xFC\xE2\x8E\xB6"), "①髙ｶ");
    assert_text("x-sjis", BYTES("\x87\x40\xFB\xFC\xB6"), "①髙ｶ");
}

/* Somebody declared the wrong one. */
static void test_utf8_under_seven_bits(void **state)
{
    (void)state;
    const char *const names[] = {"iso-2022-jp", "iso-2022-kr", "iso-2022-cn", "hz-gb-2312"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_text(names[i], BYTES("a\xE3\x81\xBB\xF0\x9F\x98\x80z"), "aほ😀z");
        assert_text(names[i], BYTES("a\xE3z"), "a" R "z");
    }
}

static void test_hz(void **state)
{
    (void)state; /* RFC 1843 */
    assert_text("hz-gb-2312", BYTES("a ~{VPND~} ~~ b~\nc"), "a 中文 ~ bc");
    assert_text("HZ-GB-2312", BYTES("~{VP\nVP"), "中\nVP");
    assert_text("hz", BYTES("~x"), "~x");
}

/* Cut anywhere, it is the same. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
    } cases[] = {{"iso-2022-jp", "a\x1b$B-!;qNA\x1b(B\xE3\x81\xBB\x1b$(D0!\x1b(I6\x1b(B\xE3\x1b!"},
                 {"gb18030", "\xD6\xD0\x81\x30\x81\x34\x81\x30\x81x\xE3\x32\x9A\x35\x80\xFE"},
                 {"euc-jp", "\x8F\xB0\xA1\xAD\xA1\x8E\xB6\x8F\xA1\xA1\xA9"},
                 {"shift_jis", "\x87\x40\xB6\x81\xFE\x83!"},
                 {"big5", "\x88\x62\xA4\xA4\xC8\xFE\xA4!"},
                 {"hz-gb-2312", "a~{VPND~}~~\xE3\x81\xBB~{V"},
                 {"iso-2022-kr", "\x1b$)C\x0e\x21\x21\x0f\xE3\x81\xBBz"},
                 {"utf-16", "\xFE\xFF\x30\x42\xD8\x3D\xDE\x00\xD8\x3D\x30"},
                 {"utf-7", "+IKw-a+MEI-"},
                 {"windows-1258", "a\xCC\xEC"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer whole = {0};
        size_t size = strlen(cases[i].bytes);
        assert_int_equal(charset_append(&whole, cases[i].name, cases[i].bytes, size), 0);
        for (size_t step = 1; step < 6; step++) {
            struct charset_converter converter;
            struct buffer pieces = {0};
            assert_int_equal(charset_open(&converter, cases[i].name), 0);
            for (size_t at = 0; at < size; at += step)
                charset_write(&converter, cases[i].bytes + at, size - at < step ? size - at : step,
                              buffer_sink, &pieces);
            charset_end(&converter, buffer_sink, &pieces);
            charset_close(&converter);
            buffer_append_byte(&whole, 0);
            whole.size--;
            assert_buffer(&pieces, whole.bytes);
        }
        buffer_free(&whole);
    }
}

/* The labels of the WHATWG Encoding Standard by encoding, and a text of each in that encoding. */
static void test_labels_of_the_standard(void **state)
{
    (void)state;
    static const struct {
        const char *labels, *bytes, *text;
    } encodings[] = {
        {"unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8", "\xC3\xA9",
         "é"},
        {"866 cp866 csibm866 ibm866", "\x80\xE0", "Ар"},
        {"csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 "
         "latin2",
         "\xB1", "ą"},
        {"csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 "
         "latin3",
         "\xA1", "Ħ"},
        {"csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 "
         "latin4",
         "\xA2", "ĸ"},
        {"csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 "
         "iso_8859-5:1988",
         "\xBF", "П"},
        {"arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 "
         "iso-8859-6-e "
         "iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987",
         "\xC7", "ا"},
        {"csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 "
         "iso_8859-7 iso_8859-7:1987 sun_eu_greek",
         "\xE1", "α"},
        {"csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 "
         "iso88598 "
         "iso_8859-8 iso_8859-8:1988 visual csiso88598i iso-8859-8-i logical",
         "\xE0", "א"},
        {"csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6", "\xA1", "Ą"},
        {"iso-8859-13 iso8859-13 iso885913", "\xA8", "Ø"},
        {"iso-8859-14 iso8859-14 iso885914", "\xA1", "Ḃ"},
        {"csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9", "\xA4", "€"},
        {"iso-8859-16", "\xAA", "Ș"},
        {"cskoi8r koi koi8 koi8-r koi8_r", "\xF0", "П"},
        {"koi8-ru koi8-u", "\xA4\xAE\xBE", "єўЎ"},
        {"csmacintosh mac macintosh x-mac-roman", "\x8E\xDB", "é€"},
        {"dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874", "\xA1\x80", "ก€"},
        {"cp1250 windows-1250 x-cp1250", "\x9A\x81", "š\xC2\x81"},
        {"cp1251 windows-1251 x-cp1251", "\xCF\x98", "П\xC2\x98"},
        {"ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 "
         "iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252",
         "\x93\xE9\x94", "“é”"},
        {"cp1253 windows-1253 x-cp1253", "\xE1", "α"},
        {"cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 "
         "l5 "
         "latin5 windows-1254 x-cp1254",
         "\xF0\x80", "ğ€"},
        {"cp1255 windows-1255 x-cp1255", "\xE0", "א"},
        {"cp1256 windows-1256 x-cp1256", "\xC7\x81", "اپ"},
        {"cp1257 windows-1257 x-cp1257", "\xE0", "ą"},
        {"cp1258 windows-1258 x-cp1258", "\xE2\xD0", "âĐ"},
        {"x-mac-cyrillic x-mac-ukrainian", "\x8F\xA2\xFF", "ПҐ€"},
        {"chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030",
         "\xD6\xD0\x80\x81\x30\x84\x36", "中€¥"},
        {"big5 big5-hkscs cn-big5 csbig5 x-x-big5", "\xA4\xA4\x87\x40", "中䏰"},
        {"cseucpkdfmtjapanese euc-jp x-euc-jp", "\xC6\xFC\xAD\xA1", "日①"},
        {"csiso2022jp iso-2022-jp", "\x1b$BF|-!\x1b(B", "日①"},
        {"csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis",
         "\x93\xFA\x87\x40", "日①"},
        {"cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 "
         "ksc_5601 windows-949",
         "\xC7\xD1\x8C\x63", "한똠"},
        {"unicodefffe utf-16be", "\x65\xE5", "日"},
        {"csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le", "\xE5\x65", "日"},
        {"x-user-defined", "a\x80\xFF", "a\xEF\x9E\x80\xEF\x9F\xBF"},
        /* Browsers do not show these; mail programs do. */
        {"csiso2022kr iso-2022-kr", "\x1b$)C\x0eGQ\x0f", "한"},
        {"hz-gb-2312", "~{VP~}", "中"},
        {"iso-2022-cn iso-2022-cn-ext", "\x1b$)A\x0eVP\x0f", "中"},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        char labels[512], *rest = labels, *label;
        snprintf(labels, sizeof labels, "%s", encodings[i].labels);
        while ((label = strtok_r(rest, " ", &rest))) {
            struct buffer text = {0};
            charset_append(&text, label, encodings[i].bytes, strlen(encodings[i].bytes));
            assert_buffer(&text, encodings[i].text);
            count++;
        }
    }
    printf("%zu labels\n", count);
    assert_int_equal(count, 227); /* all but "replacement", which is no charset */
}

static void assert_guess(const char *bytes, size_t size)
{
    const char *guess = charset_guess(bytes, size);
    bool is_utf8 = utf8_valid_size(bytes, size) == size;
    assert_string_equal(guess, is_utf8 ? "utf-8" : "windows-1252");
}

/* A character of two to four bytes is UTF-8, and what looks like one is not: each first byte, with others on both sides
 * of each limit. */
static void test_guess_of_one_character(void **state)
{
    (void)state;
    static const unsigned char edges[] = {0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF};
    for (unsigned lead = 0xC0; lead <= 0xFF; lead++)
        for (size_t i = 0; i < sizeof edges; i++) {
            char bytes[] = {(char)lead, (char)edges[i], (char)0x80, (char)0xBF};
            size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
            assert_guess(bytes, size);
            bytes[size - 1] = 'z'; /* it is cut off */
            assert_string_equal(charset_guess(bytes, size), "windows-1252");
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_declared),
        cmocka_unit_test(test_misnomers),
        cmocka_unit_test(test_nothing_declared),
        cmocka_unit_test(test_undecodable),
        cmocka_unit_test(test_microsofts_rows),
        cmocka_unit_test(test_utf8_under_seven_bits),
        cmocka_unit_test(test_hz),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_labels_of_the_standard),
        cmocka_unit_test(test_guess_of_one_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
