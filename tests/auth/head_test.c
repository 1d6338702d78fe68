#include "auth/head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../test.h"

static void read_head(const char *text, size_t size, bool file, struct head *head,
                      struct spill **data)
{
    *data = spill_new("/tmp", NULL);
    assert_non_null(*data);
    assert_int_equal(spill_write(*data, text, size), 0);
    if (file) { /* a body that makes it one */
        char *body = calloc(1, SPILL_THRESHOLD + 1);
        assert_int_equal(spill_write(*data, body, SPILL_THRESHOLD + 1), 0);
        free(body);
        assert_null(spill_memory(*data));
    }
    assert_int_equal(head_read(*data, head), 0);
}

static void assert_field(const struct head *head, size_t index, const char *bytes,
                         const char *value)
{
    const struct head_field *f = &head->fields[index];
    assert_int_equal(f->size, strlen(bytes));
    assert_memory_equal(f->bytes, bytes, f->size);
    assert_int_equal(f->value_size, strlen(value));
    assert_memory_equal(f->value, value, f->value_size);
}

static void fields_are_what_they_were(void **state)
{
    (void)state;
    static const char text[] = "A:  1 \r\nb :2\r\n\t3\r\nC:4\n\r\nD: 5\r\n";
    for (int file = 0; file < 2; file++) {
        struct head head;
        struct spill *data;
        read_head(text, sizeof text - 1, file, &head, &data);
        assert_int_equal(head.field_count, 3);
        assert_field(&head, 0, "A:  1 ", "1");
        assert_field(&head, 1, "b :2\r\n\t3", "2\r\n\t3");
        assert_field(&head, 2, "C:4", "4");
        assert_int_equal(head.body, strlen("A:  1 \r\nb :2\r\n\t3\r\nC:4\n\r\n"));
        assert_int_equal(head_find(&head, "B", 0), 1);
        assert_int_equal(head_find(&head, "b", 2), 3);
        assert_false(head.too_large);
        head_free(&head);
        spill_free(data);
    }
}

static void a_message_may_be_all_header_or_none(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t fields, strict, body;
    } cases[] = {{"", 0, 0, 0},
                 {"A: 1", 1, 1, 4},
                 {"A:", 1, 1, 2},
                 {"A:\r\n", 1, 1, 4},
                 {"\r\nA: 1\r\n", 0, 0, 2},
                 {"no field\r\nA: 1\r\n", 0, 0, 0},
                 {"A: 1\r\nno field\r\n", 1, 1, 6},
                 {"A: 1\r\nno field\r\nB: 2\r\n\r\n", 2, 1, 6},
                 {"A: 1\r\nB: 2\r\nno field\r\nC: 3\r\nD: 4\r\n\r\n", 4, 2, 12},
                 {"From x\r\nA: 1\r\n\r\n", 1, 1, 16},
                 {">From x\r\nA: 1\r\n\r\n", 1, 1, 17}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct head head;
        struct spill *data;
        read_head(cases[i].text, strlen(cases[i].text), false, &head, &data);
        assert_int_equal(head.field_count, cases[i].fields);
        assert_int_equal(head.strict_count, cases[i].strict);
        assert_int_equal(head.body, cases[i].body);
        head_free(&head);
        spill_free(data);
    }
}

static void the_header_has_a_limit_in_fields(void **state)
{
    (void)state;
    char *text = malloc(6 * (HEADER_MAX_FIELDS + 1) + 3);
    for (size_t extra = 0; extra < 2; extra++) {
        struct head head;
        struct spill *data;
        size_t size = 0;
        for (size_t i = 0; i < HEADER_MAX_FIELDS + extra; i++, size += 6)
            memcpy(text + size, "A: b\r\n", 6);
        memcpy(text + size, "\r\n", 2);
        read_head(text, size + 2, false, &head, &data);
        assert_int_equal(head.too_large, extra == 1);
        assert_int_equal(head.field_count, extra ? 0 : HEADER_MAX_FIELDS);
        head_free(&head);
        spill_free(data);
    }
    free(text);
}

static void the_header_has_a_limit_in_bytes(void **state)
{
    (void)state;
    char *text = malloc(HEADER_MAX_BYTES + 8);
    for (size_t extra = 0; extra < 2; extra++) {
        struct head head;
        struct spill *data;
        memset(text, 'a', HEADER_MAX_BYTES + 8);
        memcpy(text, "A: ", 3);
        memcpy(text + HEADER_MAX_BYTES - 2 + extra, "\r\n\r\n", 4);
        read_head(text, HEADER_MAX_BYTES + 8, false, &head, &data);
        assert_int_equal(head.too_large, extra == 1);
        head_free(&head);
        spill_free(data);
    }
    free(text);
}

static void assert_tag(const char *list, const char *tag, const char *expected)
{
    char value[8];
    bool found = tag_value(list, strlen(list), tag, value, sizeof value);
    assert_int_equal(found, expected != NULL);
    if (expected)
        assert_string_equal(value, expected);
}

static void tags_are_found(void **state)
{
    (void)state;
    assert_tag("v=1; d=a.b", "d", "a.b");
    assert_tag("v=1;\r\n\td = a\r\n b ;s=", "d", "ab");
    assert_tag("v=1;s=", "s", "");
    assert_tag("vd=1", "d", NULL);
    assert_tag("dv=1", "d", NULL);
    assert_tag("d", "d", NULL);
    assert_tag("", "d", NULL);
    assert_tag(";;d=1", "d", "1");
    assert_tag("bh=x;b=y", "b", "y");
    assert_tag("d=1234567", "d", "1234567");
    assert_tag("d=12345678", "d", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_what_they_were),
        cmocka_unit_test(a_message_may_be_all_header_or_none),
        cmocka_unit_test(the_header_has_a_limit_in_fields),
        cmocka_unit_test(the_header_has_a_limit_in_bytes),
        cmocka_unit_test(tags_are_found),
    };
    return RUN_TESTS(tests);
}
