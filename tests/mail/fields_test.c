#include "mail_test.h"

#include <stdio.h>

#include "mail/fields.h"

/* Reads a block line by line; what is said of each line: field, more, stray, end. */
static struct header_reader read_block(const char *text, bool message, char kinds[64])
{
    struct header_reader reader;
    size_t size = strlen(text), used = 0;
    enum header_line kind = HEADER_STRAY;
    header_reader_init(&reader, 0, message);
    for (size_t at = 0; at < size && kind != HEADER_END;) {
        const char *newline = strchr(text + at, '\n');
        size_t next = newline ? (size_t)(newline - text) + 1 : size;
        kind = header_reader_next(&reader, text + at, next - at, at);
        if (used < 63)
            kinds[used++] = "fmse"[kind];
        at = next;
    }
    kinds[used] = 0;
    header_reader_finish(&reader, size);
    return reader;
}

static void assert_block(const char *text, bool message, const char *expected, size_t body,
                         size_t strict_body)
{
    char kinds[64];
    struct header_reader reader = read_block(text, message, kinds);
    assert_string_equal(kinds, expected);
    assert_int_equal(reader.body, body);
    assert_int_equal(reader.strict_body, strict_body);
}

static void test_lines(void **state)
{
    (void)state;
    assert_block("Subject: x\r\nY : z\r\n\r\nX: y\r\n", true, "ffe", 21, 21);
    assert_block("X:\nX-\xC3\xA9: y\n more\n\tmore\n \n\nbody", true, "ffmmme", 26, 26);
    assert_block("", true, "", 0, 0);
    assert_block("\n", true, "e", 1, 1);
    assert_block("\r\nX: y", true, "e", 2, 2);
    assert_block("X: y", true, "f", 4, 4);
    assert_block("Hello\r\n", true, "s", 0, 0);
    assert_block("  A: b\n c\n", true, "fm", 10, 10);
    assert_block("A: b\n\rX: y\r\n\r\n", true, "fme", 14, 14); /* a CR is a space */
    assert_block("X\rY: z\r\nX\r: z\r\n\r\n", true, "sse", 0, 0);
    assert_block("A:\nX\r: z\r\n\r\n", true, "ffe", 12, 12);
    assert_block(" of nothing\nA: b\n", true, "sf", 17, 17);
}

static void test_stray_lines(void **state)
{
    (void)state;
    assert_block("A: b\nstray\nB: c\n\nx", true, "fsfe", 17, 5);
    assert_block("A: b\nstray\n more\nB: c\n\nx", true, "fssfe", 23, 5);
    assert_block("A: b\nstray\n\nB: c\n", true, "fse", 5, 5);
    assert_block("A: b\nstray\nhttp://x\n\nx", true, "fsse", 5, 5);
    assert_block("A: b\nstray\n12:30 x\n\nx", true, "fsse", 5, 5);
    assert_block("A: b\n: c\nB: d\n", true, "fsf", 14, 5);
    assert_block("A: b\none\nB: c\ntwo\n\nx", true, "fsfse", 14, 5);
}

static void test_stray_lines_before_any_field(void **state)
{
    (void)state;
    assert_block("stray\nX: y\n\nx", true, "sse", 0, 0);
    assert_block("stray\nFrom: y\n\nx", true, "sfe", 15, 0);
    assert_block("stray\nFrom: y\n\nx", false, "sse", 0, 0);
    assert_block("stray\nContent-Type: y\n\nx", false, "sfe", 23, 0);
}

static void test_mbox_lines(void **state)
{
    (void)state;
    assert_block("From a@b Thu\nA: b\n\nx", true, "sfe", 19, 19);
    assert_block(">From a@b Thu\nA: b\n\nx", true, "sfe", 20, 20);
    assert_block(">>From x\nA: b\n\nx", true, "sfe", 15, 15);
    assert_block("From x\nFrom y\nA: b\n\nx", true, "ssse", 7, 7);
    assert_block("From x\nA: b\n\nx", false, "sse", 0, 0);
}

/* On both sides of each limit. */
static void test_limits(void **state)
{
    static char text[HEADER_MAX_BYTES + 64];
    char kinds[64];
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        memset(text, 'x', sizeof text);
        memcpy(text, "A:", 2);
        strcpy(text + HEADER_MAX_BYTES - 2 + over, "\r\n\r\n");
        struct header_reader reader = read_block(text, true, kinds);
        assert_int_equal(header_reader_is_too_large(&reader), over);
        reader = read_block(text, false, kinds);
        assert_false(header_reader_is_too_large(&reader));
        size_t used = 0;
        for (size_t i = 0; i < HEADER_MAX_FIELDS + over; i++)
            used += (size_t)sprintf(text + used, "A:\n");
        reader = read_block(text, true, kinds);
        assert_int_equal(header_reader_is_too_large(&reader), over);
        memset(text, 'x', FIELD_MAX_NAME + over);
        strcpy(text + FIELD_MAX_NAME + over, ":\n");
        assert_int_equal(read_block(text, true, kinds).fields, !over);
        used = (size_t)sprintf(text, "A: b\n");
        while (used - 5 < HEADER_MAX_STRAY)
            used += (size_t)sprintf(text + used, "12345678 23456\n");
        used += (size_t)sprintf(text + used, over ? "x\nB: c\n\n" : "B: c\n\n");
        reader = read_block(text, true, kinds);
        assert_true(used - 7 >= 5 + HEADER_MAX_STRAY);
        assert_int_equal(reader.fields, reader.body == 5 ? 1 : 2);
    }
}

static void assert_fields(const char *block, const char *expected)
{
    char text[256] = "";
    struct field field;
    for (size_t at = 0; field_next(block, strlen(block), &at, &field);) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%.*s=%.*s;", (int)field.name_size, field.name,
                 (int)field.value_size, field.value);
    }
    assert_string_equal(text, expected);
}

static void test_fields(void **state)
{
    (void)state;
    assert_fields("A: b\r\nC: d\r\n", "A=b;C=d;");
    assert_fields("A: b\nC: d", "A=b;C=d;");
    assert_fields("A:b\r\n", "A=b;");
    assert_fields("A : \t b \r\n", "A=b;");
    assert_fields("A:\r\nC:\r\n", "A=;C=;");
    assert_fields("A: b\r\n c\r\n\td\r\nE: f", "A=b\r\n c\r\n\td;E=f;");
    assert_fields("A:\r\n b\r\n \r\n", "A=b;");
    assert_fields("", "");
    assert_fields("From a@b Thu Jan  1\r\nA: b\r\n", "A=b;");    /* mbox */
    assert_fields("  A: b\r\n c\r\nD: e\r\n", "A=b\r\n c;D=e;"); /* a space before the first */
    assert_fields(" of nothing\r\nA: b\r\n", "A=b;");
}

static void test_names_in_any_case(void **state)
{
    (void)state;
    struct field field = {.name = "SUBJECT", .name_size = 7};
    assert_true(field_is(&field, "Subject"));
    assert_false(field_is(&field, "Subjects"));
    assert_false(field_is(&field, "Subj"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_stray_lines),
        cmocka_unit_test(test_stray_lines_before_any_field),
        cmocka_unit_test(test_mbox_lines),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_names_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
