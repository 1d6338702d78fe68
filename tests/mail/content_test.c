#include "mail_test.h"

#include <errno.h>
#include <gmime/gmime.h>
#include <stdlib.h>

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

/* Base64 with whatever may stand in it, as lines of whole fours and not, is what GMime alone makes
 * of it. */
static void assert_decodes_as_gmime(const struct buffer *mail)
{
    struct message *message = parse_bytes(mail->bytes, mail->size);
    const struct part *part = &message->parts[0];
    size_t size, raw = part->end - part->start;
    char *content = content_of(message, 0, &size), *expected = malloc(raw + 256);
    GMimeEncoding gmime;
    g_mime_encoding_init_decode(&gmime, GMIME_CONTENT_ENCODING_BASE64);
    size_t got = g_mime_encoding_step(&gmime, mail->bytes + part->start, raw, expected);
    got += g_mime_encoding_flush(&gmime, "=", 1, expected + got);
    assert_int_equal(size, got);
    assert_memory_equal(content, expected, got);
    free(expected);
    free(content);
    message_free(message);
}

static void test_base64_as_gmime(void **state)
{
    (void)state;
    static const char noise[] = "=== -_\t!\r\n\n\xE9YQ==";
    srand(1);
    for (int round = 0; round < 300; round++) {
        struct buffer mail = {0};
        int one_in = 1 << (round % 14); /* some: nearly all noise; some: hardly any */
        buffer_append(&mail, BYTES("Content-Type: application/pdf\r\n"
                                   "Content-Transfer-Encoding: base64\r\n\r\n"));
        for (int i = 0; i < 20000; i++) {
            if (i % 76 == 75)
                buffer_append(&mail, "\r\n", 2);
            buffer_append_byte(&mail, rand() % one_in == 0
                                          ? noise[(size_t)rand() % (sizeof noise - 1)]
                                          : (char)('A' + rand() % 26));
        }
        assert_decodes_as_gmime(&mail);
        buffer_free(&mail);
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
        cmocka_unit_test(test_encodings),          cmocka_unit_test(test_charsets),
        cmocka_unit_test(test_line_ends),          cmocka_unit_test(test_left_as_text),
        cmocka_unit_test(test_large_in_a_file),    cmocka_unit_test(test_base64_as_gmime),
        cmocka_unit_test(test_sink_ends_the_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
