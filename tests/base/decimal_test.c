/* Numbers in decimal digits, as printf has them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"

#include "../test.h"

static void check_number(int64_t number)
{
    char expected[DECIMAL_SIZE], text[DECIMAL_SIZE];
    memset(text, '#', sizeof text);
    int size = snprintf(expected, sizeof expected, "%" PRId64, number);
    assert_ptr_equal(decimal_put(text, number), text + size);
    assert_string_equal(text, expected);
}

static void each_size_and_sign(void **state)
{
    (void)state;
    check_number(0);
    check_number(INT64_MAX);
    check_number(INT64_MIN);
    for (int64_t power = 1; power < INT64_MAX / 10; power *= 10) {
        check_number(power);
        check_number(power - 1);
        check_number(-power);
        check_number(1 - power);
    }
}

/* Nothing behind the NUL is written. */
static void longest_fits(void **state)
{
    (void)state;
    char text[DECIMAL_SIZE + 1] = "";
    text[DECIMAL_SIZE] = '#';
    decimal_put(text, INT64_MIN);
    assert_int_equal(strlen(text), DECIMAL_SIZE - 1);
    assert_int_equal(text[DECIMAL_SIZE], '#');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_size_and_sign),
        cmocka_unit_test(longest_fits),
    };
    return RUN_TESTS(tests);
}
