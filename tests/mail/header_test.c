#include "mail_test.h"

static void append(struct header_list *list, const char *name, const char *value)
{
    assert_int_equal(header_list_append(list, name, value, strlen(value)), 0);
}

static void test_find(void **state)
{
    (void)state;
    struct header_list list = {0};
    append(&list, "A", "1");
    append(&list, "b", "2");
    append(&list, "a", "3");
    assert_int_equal(header_list_find(&list, "a", 0), 0);
    assert_int_equal(header_list_find(&list, "a", 1), 2);
    assert_int_equal(header_list_find(&list, "B", 0), 1);
    assert_int_equal(header_list_find(&list, "c", 0), 3);
    assert_int_equal(header_list_find(&list, "a", 7), 3);
    header_list_free(&list);
}

static void test_remove(void **state)
{
    (void)state;
    struct header_list list = {0};
    append(&list, "A", "1");
    append(&list, "b", "2");
    append(&list, "a", "3");
    assert_int_equal(header_list_remove(&list, "a"), 2);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].value, "2");
    assert_int_equal(header_list_remove(&list, "a"), 0);
    header_list_free(&list);
}

static void test_copy(void **state)
{
    (void)state;
    struct header_list list = {0}, copy, empty = {0};
    for (int i = 0; i < 100; i++)
        append(&list, "n", "v");
    append(&list, "other", "1");
    assert_int_equal(list.count, 101);
    assert_int_equal(header_list_copy(&copy, &list), 0);
    assert_int_equal(header_list_remove(&copy, "n"), 100);
    assert_int_equal(list.count, 101); /* untouched */
    header_list_free(&copy);
    assert_int_equal(header_list_copy(&copy, &empty), 0);
    assert_int_equal(copy.count, 0);
    append(&copy, "a", "1");
    header_list_free(&copy);
    header_list_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
