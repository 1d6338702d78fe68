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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
