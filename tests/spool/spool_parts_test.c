/* The origin of a URL. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "spool/origin.h"

static void check_origin(const char *url, const char *expected)
{
    char origin[ORIGIN_SIZE];
    origin_of(url, origin);
    assert_string_equal(origin, expected);
}

static void an_origin_is_scheme_host_and_port(void **state)
{
    (void)state;
    check_origin("https://Hooks.Example.com/a?b#c", "https://hooks.example.com:443");
    check_origin("HTTP://example.com", "http://example.com:80");
    check_origin("http://example.com:8080/x", "http://example.com:8080");
    check_origin("https://user:p@ss@example.com/", "https://example.com:443");
    check_origin("http://[2001:db8::1]/x", "http://[2001:db8::1]:80");
    check_origin("http://[2001:db8::1]:81", "http://[2001:db8::1]:81");
    check_origin("http://example.com?q=@other:1/", "http://example.com:80");
    check_origin("http://example.com:", "http://example.com:80");
    check_origin("Boss@Example.net", "boss@example.net");
    check_origin("http://", "http://");
    check_origin("", "");
}

static void a_long_origin_is_cut(void **state)
{
    char url[1000], origin[ORIGIN_SIZE];
    (void)state;
    memset(url, 'a', sizeof url - 1);
    url[sizeof url - 1] = 0;
    memcpy(url, "http://", 7);
    origin_of(url, origin);
    assert_int_equal(strlen(origin), ORIGIN_SIZE - 1);
}

static void keys_are_those_of_the_origin(void **state)
{
    (void)state;
    assert_true(origin_key("https://a.example/x") == origin_key("https://A.example:443/y"));
    assert_true(origin_key("https://a.example/") != origin_key("http://a.example/"));
    /* They stand in spools on disk, so they never change without a migration. */
    assert_true(origin_key("https://a.example/x") == 0x0e532d6db01a51edull);
    assert_true(lane_key("https://a.example/x") == 0x62b8277c6ca573ffull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_origin_is_scheme_host_and_port),
        cmocka_unit_test(a_long_origin_is_cut),
        cmocka_unit_test(keys_are_those_of_the_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
