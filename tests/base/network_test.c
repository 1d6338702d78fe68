#include "base/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "../test.h"

static struct ip_address address(const char *text)
{
    struct network network;
    assert_int_equal(network_parse(text, &network), 0);
    assert_int_equal(network.prefix, 128);
    return network.address;
}

static void assert_in(const char *network, const char *one, bool expected)
{
    struct network parsed;
    struct ip_address ip = address(one);
    if (network_parse(network, &parsed) != 0)
        fail_msg("%s: not a network", network);
    if (network_contains(&parsed, &ip) != expected)
        fail_msg("%s in %s: expected %d", one, network, expected);
}

static void edges(void **state)
{
    (void)state;
    assert_in("192.0.2.0/24", "192.0.2.0", true);
    assert_in("192.0.2.0/24", "192.0.2.255", true);
    assert_in("192.0.2.0/24", "192.0.1.255", false);
    assert_in("192.0.2.0/24", "192.0.3.0", false);
    assert_in("192.0.2.128/25", "192.0.2.127", false);
    assert_in("192.0.2.128/25", "192.0.2.128", true);
    assert_in("192.0.2.7", "192.0.2.7", true);
    assert_in("192.0.2.7/32", "192.0.2.6", false);
    assert_in("2001:db8::/33", "2001:db8:7fff::1", true);
    assert_in("2001:db8::/33", "2001:db8:8000::1", false);
    assert_in("::1", "::1", true);
    assert_in("::1/128", "::2", false);
}

static void families(void **state)
{
    (void)state;
    assert_in("0.0.0.0/0", "255.255.255.255", true);
    assert_in("0.0.0.0/0", "2001:db8::1", false);
    assert_in("::/0", "2001:db8::1", true);
    assert_in("::/0", "192.0.2.1", true);
    assert_in("192.0.2.0/24", "::ffff:192.0.2.9", true);
}

static void what_is_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "/",
        "192.0.2.0/",
        "192.0.2.0/33",
        "192.0.2.1/24",
        "::1/129",
        "::1/64",
        "192.0.2/24",
        "192.0.2.0/ 24",
        "192.0.2.0/+24",
        "a.example",
        "192.0.2.0/24/24",
        "1.2.3.4 ",
        "2001:db8::/",
        "[::1]",
        "192.0.2.0/0000",
        "::g",
        "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111"};
    struct network network;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (network_parse(wrong[i], &network) != -EINVAL)
            fail_msg("taken: \"%s\"", wrong[i]);
}

/* The longest text of an address, and one that is longer. */
static void the_longest_text(void **state)
{
    (void)state;
    static const char longest[] = "1111:1111:1111:1111:1111:1111:111.111.111.111";
    char text[64], back[46];
    struct network network;
    struct ip_address ip;
    assert_int_equal(sizeof longest, 46);
    assert_int_equal(network_parse(longest, &network), 0);
    snprintf(text, sizeof text, "%s/128", longest);
    assert_int_equal(network_parse(text, &network), 0);
    assert_int_equal(network.prefix, 128);
    snprintf(text, sizeof text, "%s1", longest);
    assert_int_equal(network_parse(text, &network), -EINVAL);
    snprintf(text, sizeof text, "%s1/128", longest);
    assert_int_equal(network_parse(text, &network), -EINVAL);
    assert_int_equal(ip_address_parse("1111:1111:1111:1111:1111:1111:1111:1111", &ip), 0);
    ip_address_format(&ip, back);
    assert_string_equal(back, "1111:1111:1111:1111:1111:1111:1111:1111");
    assert_int_equal(network_parse("192.0.2.7/32", &network), 0);
    assert_int_equal(network_parse("192.0.2.7/33", &network), -EINVAL);
    assert_int_equal(network_parse("::1/0128", &network), -EINVAL);
    assert_int_equal(network_parse("::/000", &network), 0);
}

static void the_longest_match(void **state)
{
    (void)state;
    static const char *const texts[] = {"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"};
    struct network networks[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(network_parse(texts[i], &networks[i]), 0);
    struct ip_address ip = address("10.1.2.3");
    assert_int_equal(networks_match(networks, 4, &ip), 96 + 16);
    assert_int_equal(networks_match(networks, 2, &ip), 96 + 8);
    assert_int_equal(networks_match(networks, 0, &ip), -1);
    ip = address("2001:db9::1");
    assert_int_equal(networks_match(networks, 4, &ip), -1);
}

static void as_text(void **state)
{
    (void)state;
    static const char *const texts[] = {"192.0.2.1", "::1", "2001:db8::7", "0.0.0.0"};
    struct ip_address ip;
    char text[46];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(ip_address_parse(texts[i], &ip), 0);
        ip_address_format(&ip, text);
        assert_string_equal(text, texts[i]);
    }
    assert_int_equal(ip_address_parse("::ffff:192.0.2.1", &ip), 0);
    ip_address_format(&ip, text);
    assert_string_equal(text, "192.0.2.1");
    assert_int_equal(ip_address_parse("192.0.2", &ip), -EINVAL);
    assert_int_equal(ip_address_parse("192.0.2.0/24", &ip), -EINVAL);
}

static void of_a_socket(void **state)
{
    (void)state;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct ip_address ip, expected = address("192.0.2.1");
    assert_true(ip_address_from((struct sockaddr *)&v4, &ip));
    assert_memory_equal(&ip, &expected, sizeof ip);
    assert_true(ip_address_is_v4(&ip));
    expected = address("::1");
    assert_true(ip_address_from((struct sockaddr *)&v6, &ip));
    assert_memory_equal(&ip, &expected, sizeof ip);
    assert_false(ip_address_is_v4(&ip));
    assert_false(ip_address_from(&other, &ip));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges),
        cmocka_unit_test(families),
        cmocka_unit_test(what_is_none),
        cmocka_unit_test(the_longest_text),
        cmocka_unit_test(the_longest_match),
        cmocka_unit_test(as_text),
        cmocka_unit_test(of_a_socket),
    };
    return RUN_TESTS(tests);
}
