#include "dns/name.h"

#include <string.h>

#include "../test.h"

static void assert_name(const char *name, const char *expected)
{
    char out[DNS_NAME_MAX + 1];
    assert_true(dns_name(name, out));
    assert_string_equal(out, expected);
}

static void assert_no_name(const char *name)
{
    char out[DNS_NAME_MAX + 1];
    assert_false(dns_name(name, out));
}

static void names_are_made_alike(void **state)
{
    (void)state;
    assert_name("Example.COM", "example.com");
    assert_name("example.com.", "example.com");
    assert_name("a", "a");
    assert_name("_dmarc.x-y.z", "_dmarc.x-y.z");
    assert_name("b\xc3\xbc"
                "cher.example",
                "xn--bcher-kva.example"); /* U-labels */
    assert_name("B\xc3\x9c"
                "CHER.Example.",
                "xn--bcher-kva.example");
    assert_name("stra\xc3\x9f"
                "e.example",
                "xn--strae-oqa.example");
    assert_name("example\xe3\x80\x82"
                "com",
                "example.com"); /* an ideographic full stop */
    assert_name("exam\xe2\x80\x8b"
                "ple.com",
                "example.com"); /* a zero-width space */
    assert_name("_dmarc.b\xc3\xbc"
                "cher.example",
                "_dmarc.xn--bcher-kva.example");
}

static void what_is_no_name(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",     ".",       "..",      ".a",           "a..b", "a b",   "a\\.b",
        "a\tb", "\xa4.de", "\xc3.de", "\xe2\x98\x83", "a..",  "\x7f.x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_no_name(names[i]);
}

static void a_label_has_63_octets_at_most(void **state)
{
    (void)state;
    char name[80];
    memset(name, 'a', sizeof name);
    strcpy(name + 63, ".b");
    assert_name(name, name);
    memset(name, 'a', sizeof name);
    strcpy(name + 64, ".b");
    assert_no_name(name);
}

static void a_name_has_253_octets_at_most(void **state)
{
    (void)state;
    char name[300];
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 50 == 49 ? '.' : 'a';
    name[253] = 0;
    assert_name(name, name);
    name[253] = 'a';
    name[254] = 0;
    assert_no_name(name);
}

static void assert_reverse(const char *address, size_t size, const char *zone, const char *expected)
{
    char out[DNS_NAME_MAX + 1];
    assert_true(dns_reverse_name((const unsigned char *)address, size, zone, out));
    assert_string_equal(out, expected);
}

static void addresses_have_names_too(void **state)
{
    (void)state;
    assert_reverse("\xc0\0\2\1", 4, "in-addr.arpa", "1.2.0.192.in-addr.arpa");
    assert_reverse("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\xab\x02", 16, "ip6.arpa",
                   "2.0.b.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

static void a_zone_must_leave_room_for_the_address(void **state)
{
    (void)state;
    unsigned char address[16] = {0};
    char zone[DNS_NAME_MAX + 1], out[DNS_NAME_MAX + 1];
    for (size_t i = 0; i < sizeof zone; i++)
        zone[i] = i % 50 == 49 ? '.' : 'a';
    zone[DNS_NAME_MAX - 64] = 0;
    assert_true(dns_reverse_name(address, 16, zone, out));
    assert_int_equal(strlen(out), DNS_NAME_MAX);
    zone[DNS_NAME_MAX - 64] = 'a';
    zone[DNS_NAME_MAX - 63] = 0;
    assert_false(dns_reverse_name(address, 16, zone, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_made_alike),
        cmocka_unit_test(what_is_no_name),
        cmocka_unit_test(a_label_has_63_octets_at_most),
        cmocka_unit_test(a_name_has_253_octets_at_most),
        cmocka_unit_test(addresses_have_names_too),
        cmocka_unit_test(a_zone_must_leave_room_for_the_address),
    };
    return RUN_TESTS(tests);
}
