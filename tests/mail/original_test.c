/* What of a message goes on, byte for byte. */
#include "mail_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "mail/lines.h"
#include "mail/original.h"

static void write_spill(struct spill *data, const char *expected, size_t size, bool expected_change)
{
    struct message *message;
    struct spill *out = spill_new("/tmp", NULL);
    bool changed;
    assert_int_equal(message_parse(data, RECEIVED_SECONDS, &message, NULL), 0);
    assert_int_equal(
        original_write(message, &(struct receiver){.hostname = "mx.example.com"}, out, &changed),
        0);
    assert_int_equal(spill_size(out), size);
    char *bytes = malloc(size + 1);
    assert_int_equal(spill_read(out, 0, bytes, size), size);
    assert_memory_equal(bytes, expected, size);
    assert_int_equal(changed, expected_change);
    free(bytes);
    message_free(message);
    spill_free(out);
}

static void becomes(const char *mail, size_t size, const char *expected, size_t expected_size,
                    bool changed)
{
    struct spill *memory = spill_from_bytes(mail, size), *file = spill_in_file(mail, size);
    write_spill(memory, expected, expected_size, changed);
    write_spill(file, expected, expected_size, changed);
    spill_free(memory);
    spill_free(file);
}

static void stays(const char *mail, size_t size)
{
    becomes(mail, size, mail, size, false);
}

static void test_unchanged(void **state)
{
    (void)state;
    stays(BYTES(""));
    stays(BYTES("\r\n"));
    stays(BYTES("a: b"));
    stays(BYTES("a: b\r\n\r\n.\r\n..\r\nFrom x\r\n\r\n\r\n"));
    stays(BYTES("Subject: \xff\xfe\r\n\r\n\x80\x01\r\n"));
    stays(BYTES("Authentication-Results: other.example; none\r\n\r\nx\r\n"));
    stays(BYTES("X-Authentication-Results: mx.example.com; none\r\n\r\nx\r\n"));
    stays(BYTES("a: b\r\n\r\nAuthentication-Results: mx.example.com; none\r\n"));
    stays(BYTES("no field\r\n\r\nAuthentication-Results: mx.example.com; none\r\n"));
}

#define FORGED "Authentication-Results: mx.example.com; dkim=pass\r\n"

static void test_forged_results_go(void **state)
{
    (void)state;
    becomes(BYTES(FORGED), BYTES(""), false);
    becomes(BYTES("A: 1\r\n" FORGED "B: 2\r\n\r\nx\r\n"), BYTES("A: 1\r\nB: 2\r\n\r\nx\r\n"),
            false);
    becomes(BYTES(FORGED FORGED "\r\nx\r\n"), BYTES("\r\nx\r\n"), false);
    becomes(BYTES("AUTHENTICATION-results :\r\n\t(;)\r\n \"MX.example.com\";\r\n a=b\r\nB: 2\r\n"),
            BYTES("B: 2\r\n"), false);
    becomes(BYTES("From x y\r\n" FORGED "\r\n"), BYTES("From x y\r\n\r\n"), false);
    becomes(BYTES(">From x y\r\n" FORGED "\r\n"), BYTES(">From x y\r\n\r\n"), false);
    becomes(BYTES("Authentication-Results: mx.example.com"), BYTES(""), false);
}

/* One that is too long to be looked at is not trusted either. */
static void test_endless_results_go(void **state)
{
    static char mail[200000];
    (void)state;
    size_t size = (size_t)sprintf(mail, "A: 1\r\nAuthentication-Results: ");
    memset(mail + size, '(', 100000);
    size += 100000;
    size += (size_t)sprintf(mail + size, "\r\n more\r\nB: 2\r\n\r\nx\r\n");
    becomes(mail, size, BYTES("A: 1\r\nB: 2\r\n\r\nx\r\n"), false);
}

static void test_line_ends(void **state)
{
    (void)state;
    becomes(BYTES("a: b\n\nx\n"), BYTES("a: b\r\n\r\nx\r\n"), true);
    becomes(BYTES("\r\nx\n.\r\ny"), BYTES("\r\nx\r\n.\r\ny"), true);
    becomes(BYTES("\r\nx\r.\r\r\n"), BYTES("\r\nx . \r\n"), true);
    becomes(BYTES("\r\nx\r"), BYTES("\r\nx "), true);
    becomes(BYTES("\r\n\r\r\n\n\r"), BYTES("\r\n \r\n\r\n "), true);
    becomes(BYTES("a: b\rc: d\r\n\r\n"), BYTES("a: b c: d\r\n\r\n"), true);
    becomes(BYTES("\r\nx\0y\r\n"), BYTES("\r\nx\0y\r\n"), true);
}

/* Wherever the pieces are cut that a file is read in. */
static void test_line_ends_at_every_cut(void **state)
{
    static char mail[200000], expected[200000];
    (void)state;
    for (size_t before = LINES_WINDOW - 4; before < LINES_WINDOW + 4; before++) {
        size_t size = (size_t)sprintf(mail, "\r\n");
        memset(mail + size, 'x', before);
        memcpy(expected, mail, size + before);
        memcpy(mail + size + before, "\r\n\n\ry\r\n", 7);
        memcpy(expected + size + before, "\r\n\r\n y\r\n", 8);
        becomes(mail, size + before + 7, expected, size + before + 8, true);
    }
}

static void test_binary(void **state)
{
    (void)state;
    struct message *text = parse("Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n");
    struct message *binary = parse("Content-Transfer-Encoding: binary\r\n\r\nx\r\n");
    assert_false(original_is_binary(text));
    assert_true(original_is_binary(binary));
    message_free(text);
    message_free(binary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unchanged),
        cmocka_unit_test(test_forged_results_go),
        cmocka_unit_test(test_endless_results_go),
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_line_ends_at_every_cut),
        cmocka_unit_test(test_binary),
    };
    message_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
