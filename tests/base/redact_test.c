/* URLs as a log shows them: nothing of a secret, and all of the rest. */
#include <string.h>

#include "base/redact.h"

#include "../test.h"

static void each_part(void **state)
{
    static const struct {
        const char *url, *shown, *rest;
        size_t size;
    } rows[] = {
        {"https://a.example/hook", "https://a.example/hook", "a.example/hook", 8},
        {"https://u:p@a.example/hook", "https://a.example/hook", "a.example/hook", 8},
        {"https://u@a.example", "https://a.example", "a.example", 8},
        {"https://u:p@q@a.example/b@c", "https://a.example/b@c", "a.example/b@c", 8},
        {"https://@a.example/", "https://a.example/", "a.example/", 8},
        {"https://a.example/hook?key=1", "https://a.example/hook", "a.example/hook?key=1", 8},
        {"https://a.example/hook#part", "https://a.example/hook", "a.example/hook#part", 8},
        {"https://a.example?to=x@y", "https://a.example", "a.example?to=x@y", 8},
        {"https://a.example#x@y", "https://a.example", "a.example#x@y", 8},
        {"user@a.example", "user@a.example", "user@a.example", 0},
        {"user@a.example?x=://b@c", "user@a.example", "user@a.example?x=://b@c", 0},
        {"user@a.example#://b@c", "user@a.example", "user@a.example#://b@c", 0},
        {"s://u@h", "s://h", "h", 4},
        {"", "", "", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char shown[REDACT_SIZE];
        const char *rest;
        redact_url(rows[i].url, shown);
        assert_string_equal(shown, rows[i].shown);
        assert_int_equal(redact_userinfo(rows[i].url, &rest), rows[i].size);
        assert_string_equal(rest, rows[i].rest);
    }
}

static void a_long_one_is_cut(void **state)
{
    char url[REDACT_SIZE + 2] = "https://", shown[REDACT_SIZE];
    (void)state;
    memset(url + 8, 'a', REDACT_SIZE + 1 - 8);
    for (size_t size = REDACT_SIZE + 1; size >= REDACT_SIZE - 2; size--) {
        url[size] = 0;
        redact_url(url, shown);
        assert_int_equal(strlen(shown), size < REDACT_SIZE - 1 ? size : REDACT_SIZE - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part),
        cmocka_unit_test(a_long_one_is_cut),
    };
    return RUN_TESTS(tests);
}
