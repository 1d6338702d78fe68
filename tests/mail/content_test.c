#include "mail_test.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <stdio.h>
#include <stdlib.h>

#include "mail/transfer.h"

static void assert_text(const char *headers, const char *body, const char *expected)
{
    struct buffer mail = {0};
    assert_int_equal(buffer_append(&mail, headers, strlen(headers)), 0);
    assert_int_equal(buffer_append(&mail, "\r\n", 2), 0);
    assert_int_equal(buffer_append(&mail, body, strlen(body)), 0);
    struct message *message = parse_bytes(mail.bytes, mail.size);
    char *text = text_of(message, PART_TEXT);
    assert_string_equal(text, expected);
    free(text);
    message_free(message);
    buffer_free(&mail);
}

static void test_encodings(void **state)
{
    (void)state;
    assert_text("", "as it is =20\r\n", "as it is =20\n");
    assert_text("Content-Transfer-Encoding: 8bit\r\n", "caf\xC3\xA9", "café");
    assert_text("Content-Transfer-Encoding: base64\r\n", "Y2Fm\r\nw6k=\r\n", "café");
    assert_text("Content-Transfer-Encoding: BASE64 (really)\r\n", "YQ==", "a");
    assert_text("Content-Transfer-Encoding: base64\r\n", "Y!Q = =", "a"); /* garbage is skipped */
    assert_text("Content-Transfer-Encoding: base64\r\n", "YWI", "ab");    /* no padding */
    assert_text("Content-Transfer-Encoding: quoted-printable\r\n", "a=\r\nb =\r\n=C3=A9=3D",
                "ab é=");
    assert_text("Content-Transfer-Encoding: quoted-printable;\r\n", "=41", "A");
    assert_text("Content-Transfer-Encoding: quoted-printable\r\n", "=ZZ 100=", "=ZZ 100");
    assert_text("Content-Transfer-Encoding: nobody-knows\r\n", "=41", "=41");
    assert_text("Content-Transfer-Encoding: x-uuencode\r\n",
                "before\r\nbegin 644 a.txt\r\n#86)C\r\n`\r\nend\r\nafter", "abc");
    assert_text("Content-Transfer-Encoding: x-uuencode\r\n", "no begin line\r\n",
                "no begin line\n");
    assert_text("Content-Transfer-Encoding: x-uuencode\r\n", "begin 644 a\r\n`\r\nend\r\n", "");
}

static void test_charsets(void **state)
{
    (void)state;
    assert_text("Content-Type: text/plain; charset=iso-8859-15\r\n", "\xA4", "€");
    assert_text("Content-Type: text/plain; charset=utf-8\r\n", "\xE9", "\xEF\xBF\xBD");
    assert_text("Content-Type: text/plain; charset=\"us-ascii\" (comment)\r\n", "\xC3\xA9", "é");
    assert_text("Content-Type: text/plain; charset=us-ascii\r\n", "\xE9", "é");
    assert_text("Content-Type: text/plain; charset=iso-8859-1 (comment)\r\n", "\xE9", "é");
    assert_text("", "\xC3\xA9", "é");
    assert_text("", "\xC3\xA9 \xE9", "é \xEF\xBF\xBD");
    assert_text("", "\xE9 \xC3\xA9", "\xEF\xBF\xBD é"); /* for the whole part */
    assert_text("", "\xE9\xC3", "éÃ");
    assert_text("", "\x93\xE9\x94", "“é”");
    assert_text("", "\x1b$BF|K\\\x1b(B", "日本");
    assert_text("", "\x1b$BF|K\\\x1b(B\xE9", "\x1b$BF|K\\\x1b(Bé"); /* not of 7 bits */
    assert_text("Content-Type: text/plain; charset=utf-8\r\n", "\x1b$B", "\x1b$B");
    assert_text("Content-Type: text/plain; charset=utf-7\r\n", "+IKw-", "€");
}

static void test_line_ends(void **state)
{
    (void)state;
    assert_text("", "a\r\nb\nc\rd\r\r\ne\r", "a\nb\nc\rd\r\ne\r");
    assert_text("Content-Transfer-Encoding: base64\r\n", "YQ0KYg0=", "a\nb\r");
    assert_text("Content-Type: text/plain; charset=utf-16be\r\n"
                "Content-Transfer-Encoding: quoted-printable\r\n",
                "=00a=00=0D=00=0A=00b", "a\nb");
    assert_text("Content-Type: text/plain; format=flowed\r\n", "soft \r\n stuffed\r\n-- \r\n",
                "soft \n stuffed\n-- \n");
}

static void test_left_as_text(void **state)
{
    (void)state;
    assert_text("", "begin 644 a.txt\r\n#86)C\r\n`\r\nend\r\n", "begin 644 a.txt\n#86)C\n`\nend\n");
    assert_text("", "=ybegin line=128 size=3 name=a\r\n\x8B\r\n=yend size=3\r\n",
                "=ybegin line=128 size=3 name=a\n‹\n=yend size=3\n");
}

/* In a file and larger than any buffer: what comes out is what went in, in pieces no larger than
 * promised. */
static size_t expected_at;

static int compare(void *context, const char *bytes, size_t size)
{
    assert_in_range(size, 1, PIECE_MAX);
    assert_memory_equal(bytes, (char *)context + expected_at, size);
    expected_at += size;
    return 0;
}

static void test_large_in_a_file(void **state)
{
    (void)state;
    enum { LINES = 20000 };
    static const char head[] = "Content-Type: application/pdf\r\n\r\n";
    struct buffer mail = {0};
    struct message *message;
    buffer_append(&mail, BYTES(head));
    for (int i = 0; i < LINES; i++)
        assert_int_equal(buffer_append(&mail, "0123456789abcdefghijklmnopqrstuvwxyz\r\n", 38), 0);
    struct spill *spill = spill_in_file(mail.bytes, mail.size);
    assert_int_equal(message_parse(spill, 0, &message, NULL), 0);
    spill_free(spill);
    assert_int_equal(message->part_count, 1);
    expected_at = sizeof head - 1;
    assert_int_equal(part_read_content(message, &message->parts[0], compare, mail.bytes), 0);
    assert_int_equal(expected_at, mail.size);
    message_free(message);
    buffer_free(&mail);
}

/* The content of a part with that encoding. */
static void assert_decoded(const char *encoding, const char *body, const char *expected,
                           size_t expected_size)
{
    char mail[2000];
    snprintf(mail, sizeof mail,
             "Content-Type: application/x\r\nContent-Transfer-Encoding: %s\r\n\r\n%s", encoding,
             body);
    size_t size;
    struct message *message = parse(mail);
    char *content = content_of(message, 0, &size);
    assert_int_equal(size, expected_size);
    assert_memory_equal(content, expected, size);
    free(content);
    message_free(message);
}

static void test_base64(void **state)
{
    (void)state;
    assert_decoded("base64", "YWJj\r\nZGVm\r\n", BYTES("abcdef"));
    assert_decoded("base64", "YWI=\r\nY2Q=\r\nZQ==\r\n", BYTES("abcde")); /* joined */
    assert_decoded("base64", "YWI=Y2Q=ZQ==", BYTES("abcde"));
    assert_decoded("base64", "YW!J j?\tZ\r\nGVm", BYTES("abcdef"));
    assert_decoded("base64", "YWJjZA", BYTES("abcd")); /* padding lacks */
    assert_decoded("base64", "YWJjZGU", BYTES("abcde"));
    assert_decoded("base64", "YWJjZ", BYTES("abc"));
    assert_decoded("base64", "====YWJj", BYTES("abc"));
    assert_decoded("=?utf-8?Q?base64?=", "YWJj", BYTES("abc"));
    assert_decoded("(c) BASE64 (d)", "YWJj", BYTES("abc"));
    assert_decoded("\"base64\";", "YWJj", BYTES("abc"));
}

static void test_quoted_printable(void **state)
{
    (void)state;
    assert_decoded("quoted-printable", "a=3Db=\r\nc", BYTES("a=bc"));
    assert_decoded("quoted-printable", "a=  \r\nb=\t\nc", BYTES("abc"));
    assert_decoded("quoted-printable", "a  \r\nb\t \nc  d \r\n", BYTES("a\r\nb\nc  d\r\n"));
    assert_decoded("quoted-printable", "a  ", BYTES("a"));
    assert_decoded("quoted-printable", "a=", BYTES("a"));
    assert_decoded("quoted-printable", "a= ", BYTES("a"));
    assert_decoded("quoted-printable", "a=20\r\nb=4x=x1=3d=3D", BYTES("a \r\nb=4x=x1=="));
    assert_decoded("quoted-printable", "a= b=4", BYTES("a= b=4"));
    assert_decoded("quoted-printable", "a\rb \rc\r\n", BYTES("a\rb \rc\r\n"));
    assert_decoded("quoted-printable", "=\r\n=\r\n", BYTES(""));
    assert_decoded("quoted-printable", "a longer line=C3=BC=\r\n=\n=C3=BC \r\r\n\r\n\n",
                   BYTES("a longer line\xC3\xBC\xC3\xBC \r\r\n\r\n\n"));
}

static void test_uuencode(void **state)
{
    static const char zeros[90] = "PK\3\4";
    (void)state;
    assert_decoded("x-uuencode", "begin 644 a\r\n#86)C\r\n`\r\nend\r\n", BYTES("abc"));
    assert_decoded("uuencode", "x\r\nbegin 644 a\n#86)C\n#86)C\n \nend\nrest\n", BYTES("abcabc"));
    assert_decoded("x-uuencode", "begin 644 a\r\nM4$L#!\r\nM\r\n\r\nend\r\n", zeros, 90);
    assert_decoded("x-uuencode", "#86)C\r\n#86)C\r\n`\r\nend\r\n", BYTES("abcabc")); /* no begin */
    assert_decoded("x-uue", "#86)C", BYTES("abc"));
    assert_decoded("x-uuencode", "plain text\r\n", BYTES("plain text\r\n"));
    assert_decoded("x-uuencode", "", BYTES(""));
}

/* Whatever is before a piece's end, its pieces make the same as the whole. */
static void test_pieces(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "YWI=\r\nY2Q=\r\nZ !Q==\r\nYWJjZGVm",
        "a=3Db= \t\r\nc  \r\n=4=x =\n\r \r\nd =\r\n=C3=\r\n=BC=\r=\n\r\nlonger text\r\n\n=",
        "#86)C\r\nM\r\nend\n"};
    static const int encodings[] = {GMIME_CONTENT_ENCODING_BASE64,
                                    GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE,
                                    GMIME_CONTENT_ENCODING_UUENCODE};
    for (size_t i = 0; i < 3; i++) {
        char whole[1000], pieces[1000];
        struct transfer transfer;
        size_t size = strlen(texts[i]);
        transfer_init(&transfer, encodings[i], UU_AT_ONCE);
        size_t expected = transfer_write(&transfer, texts[i], size, whole);
        expected += transfer_end(&transfer, whole + expected);
        for (size_t step = 1; step < 5; step++) {
            size_t got = 0;
            transfer_init(&transfer, encodings[i], UU_AT_ONCE);
            for (size_t at = 0; at < size; at += step)
                got += transfer_write(&transfer, texts[i] + at, size - at < step ? size - at : step,
                                      pieces + got);
            got += transfer_end(&transfer, pieces + got);
            assert_int_equal(got, expected);
            assert_memory_equal(pieces, whole, got);
        }
    }
}

static int refuse(void *context, const char *bytes, size_t size)
{
    (void)bytes, (void)size;
    ++*(int *)context;
    return -ENOSPC;
}

static void test_sink_ends_the_work(void **state)
{
    (void)state;
    struct message *message = parse("\r\na\r\nb\r\n");
    int calls = 0;
    assert_int_equal(message_read_text(message, PART_TEXT, refuse, &calls), -ENOSPC);
    assert_int_equal(part_read_content(message, &message->parts[0], refuse, &calls), -ENOSPC);
    assert_int_equal(calls, 2);
    message_free(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encodings),        cmocka_unit_test(test_charsets),
        cmocka_unit_test(test_line_ends),        cmocka_unit_test(test_left_as_text),
        cmocka_unit_test(test_large_in_a_file),  cmocka_unit_test(test_base64),
        cmocka_unit_test(test_quoted_printable), cmocka_unit_test(test_uuencode),
        cmocka_unit_test(test_pieces),           cmocka_unit_test(test_sink_ends_the_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
