#include "mail_test.h"

#include <stdio.h>

#include "mail/fields.h"

static void assert_kind(const char *line, enum field_line expected)
{
    assert_int_equal(field_line_kind(line, strlen(line)), expected);
}

static void test_line_kinds(void **state)
{
    (void)state;
    assert_kind("Subject: x\r\n", LINE_FIELD);
    assert_kind("Subject : x\r\n", LINE_FIELD);
    assert_kind("X:", LINE_FIELD);
    assert_kind("X-\xC3\xA9: y", LINE_FIELD);
    assert_kind(" more\r\n", LINE_CONTINUATION);
    assert_kind("\tmore\n", LINE_CONTINUATION);
    assert_kind(" \r\n", LINE_CONTINUATION);
    assert_kind("\r\n", LINE_EMPTY);
    assert_kind("\n", LINE_EMPTY);
    assert_kind("", LINE_EMPTY);
    assert_kind("Hello there: x\r\n", LINE_OTHER);
    assert_kind("Hello\r\n", LINE_OTHER);
    assert_kind(": x\r\n", LINE_OTHER);
    assert_kind("\rX: y\r\n", LINE_OTHER);
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
        cmocka_unit_test(test_line_kinds),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_names_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
