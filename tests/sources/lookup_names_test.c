/* The addresses that a table has. */
#include "../test.h"

#include <stdio.h>

#include "sources/names.h"

static void test_names(void **state)
{
    (void)state;
    struct names names = {0};
    char address[32];
    size_t wrong = 0;
    assert_false(names_have(&names, "a", 1));
    for (int i = 0; i < 100000; i++) {
        int size = snprintf(address, sizeof address, "user%d@example.com", i);
        assert_int_equal(names_add(&names, address, (size_t)size), 0);
        assert_int_equal(names_add(&names, address, (size_t)size), 0);
    }
    assert_int_equal(names.count, 100000);
    for (int i = 0; i < 100000; i++) {
        int size = snprintf(address, sizeof address, "user%d@example.com", i);
        assert_true(names_have(&names, address, (size_t)size));
        size = snprintf(address, sizeof address, "guess%d@example.com", i);
        wrong += names_have(&names, address, (size_t)size);
    }
    assert_int_equal(wrong, 0);
    names_free(&names);
    assert_int_equal(names_expect(&names, 100000), 0);
    size_t capacity = names.capacity;
    assert_false(names_have(&names, "a", 1));
    for (int i = 0; i < 100000; i++)
        assert_int_equal(names_add(&names, (char *)&i, sizeof i), 0);
    assert_int_equal(names.capacity, capacity);
    names_free(&names);
    assert_false(names_have(&names, "a", 1));
}

/* A quarter is free at least. */
static void test_capacity(void **state)
{
    static const struct {
        size_t count, capacity;
    } rows[] = {{0, 4096},    {3071, 4096},  {3072, 8192},
                {6143, 8192}, {6144, 16384}, {100000, 262144}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct names names = {0};
        assert_int_equal(names_expect(&names, rows[i].count), 0);
        assert_int_equal(names.capacity, rows[i].capacity);
        assert_int_equal(names_expect(&names, 0), 0); /* never fewer */
        assert_int_equal(names.capacity, rows[i].capacity);
        names_free(&names);
    }
    struct names names = {0};
    for (int i = 0; i < 3073; i++) {
        assert_int_equal(names_add(&names, (char *)&i, sizeof i), 0);
        assert_int_equal(names.capacity, i < 3072 ? 4096 : 8192);
    }
    names_free(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_capacity)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
