#include "smtp/limits.c" /* its struct, to count what it holds */

#include <string.h>

#include "../test.h"

static struct limits *limits;
static struct access_config access;

static int start(void **state)
{
    (void)state;
    access = (struct access_config){0};
    limits = limits_new();
    return limits ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    limits_free(limits);
    return 0;
}

static struct ip_address address(const char *text)
{
    struct network network;
    assert_int_equal(network_parse(text, &network), 0);
    return network.address;
}

static enum limits_answer enter(const char *text)
{
    struct ip_address ip = address(text);
    return limits_enter(limits, &access, &ip, 0);
}

static void leave(const char *text, int64_t now_ms)
{
    struct ip_address ip = address(text);
    limits_leave(limits, &ip, now_ms);
}

static bool take(const char *text, int64_t now_ms)
{
    struct ip_address ip = address(text);
    return limits_take_message(limits, &access, &ip, now_ms);
}

/* A /48 has many /64. */
static void connections_of_a_site(void **state)
{
    (void)state;
    access.connections_per_network = 2;
    access.connections_per_site = 3;
    assert_int_equal(enter("2001:db8:1:1::1"), LIMITS_FINE);
    assert_int_equal(enter("2001:db8:1:1::2"), LIMITS_FINE);
    assert_int_equal(enter("2001:db8:1:1::3"), LIMITS_NETWORK);
    assert_int_equal(enter("2001:db8:1:2::1"), LIMITS_FINE);
    assert_int_equal(enter("2001:db8:1:3::1"), LIMITS_SITE);
    assert_int_equal(enter("2001:db8:2:1::1"), LIMITS_FINE);
    leave("2001:db8:1:2::1", 0);
    assert_int_equal(enter("2001:db8:1:3::1"), LIMITS_FINE);
    leave("2001:db8:1:3::1", 0);
    leave("2001:db8:1:1::1", 0);
    leave("2001:db8:1:1::2", 0);
    leave("2001:db8:2:1::1", 0);
    assert_int_equal(limits->entries.count, 0);
    for (int i = 0; i < 5; i++) /* IPv4 has no site */
        assert_int_equal(enter(i % 2 ? "192.0.2.1" : "192.0.3.1"),
                         i < 4 ? LIMITS_FINE : LIMITS_NETWORK);
}

static void connections_of_an_address(void **state)
{
    (void)state;
    access.connections_per_address = 2;
    assert_int_equal(enter("192.0.2.1"), LIMITS_FINE);
    assert_int_equal(enter("192.0.2.1"), LIMITS_FINE);
    assert_int_equal(enter("192.0.2.1"), LIMITS_ADDRESS);
    assert_int_equal(enter("192.0.2.2"), LIMITS_FINE);
    leave("192.0.2.1", 0);
    assert_int_equal(enter("192.0.2.1"), LIMITS_FINE);
    assert_int_equal(enter("192.0.2.1"), LIMITS_ADDRESS);
}

static void connections_of_a_network(void **state)
{
    (void)state;
    access.connections_per_network = 2;
    assert_int_equal(enter("192.0.2.0"), LIMITS_FINE);
    assert_int_equal(enter("192.0.2.255"), LIMITS_FINE);
    assert_int_equal(enter("192.0.2.7"), LIMITS_NETWORK);
    assert_int_equal(enter("192.0.3.0"), LIMITS_FINE);
    assert_int_equal(enter("2001:db8::1"), LIMITS_FINE);
    assert_int_equal(enter("2001:db8:0:0:ffff::2"), LIMITS_FINE);
    assert_int_equal(enter("2001:db8::3"), LIMITS_NETWORK);
    assert_int_equal(enter("2001:db8:0:1::1"), LIMITS_FINE);
    leave("192.0.2.0", 0);
    assert_int_equal(enter("192.0.2.7"), LIMITS_FINE);
}

static void no_limit(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(enter("192.0.2.1"), LIMITS_FINE);
        assert_true(take("192.0.2.1", 0));
    }
    assert_int_equal(limits->entries.count, 2);
    for (int i = 0; i < 1000; i++)
        leave("192.0.2.1", 0);
    assert_int_equal(limits->entries.count, 0);
}

static void messages(void **state)
{
    (void)state;
    access.messages_per_minute = 3;
    enter("192.0.2.1");
    enter("192.0.2.2");
    for (int i = 0; i < 3; i++)
        assert_true(take("192.0.2.1", 1000));
    assert_false(take("192.0.2.1", 1000));
    assert_true(take("192.0.2.2", 1000));
    /* A third of a minute brings the next one; not a moment earlier. */
    assert_false(take("192.0.2.1", 20999));
    assert_true(take("192.0.2.1", 21000));
    assert_false(take("192.0.2.1", 21000));
    /* Long silence brings no more than a minute does. */
    for (int i = 0; i < 3; i++)
        assert_true(take("192.0.2.1", 10000000));
    assert_false(take("192.0.2.1", 10000000));
}

static void messages_are_remembered_between_connections(void **state)
{
    (void)state;
    access.messages_per_minute = 1;
    enter("192.0.2.1");
    assert_true(take("192.0.2.1", 0));
    leave("192.0.2.1", 0);
    assert_int_equal(limits->entries.count, 1);
    enter("192.0.2.1");
    assert_false(take("192.0.2.1", 59999));
    leave("192.0.2.1", 59999);
    assert_int_equal(limits->entries.count, 1);
    /* Somebody else comes, after a minute: what says nothing any more goes. */
    struct ip_address other = address("198.51.100.1");
    limits_enter(limits, &access, &other, 60000);
    assert_int_equal(limits->entries.count, 2);
}

static void come_and_send_and_go(unsigned number)
{
    struct ip_address ip = address("192.0.2.1");
    memcpy(ip.bytes, &number, sizeof number);
    assert_int_equal(limits_enter(limits, &access, &ip, 0), LIMITS_FINE);
    assert_true(limits_take_message(limits, &access, &ip, 0));
    limits_leave(limits, &ip, 0);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    access.messages_per_minute = 1;
    for (unsigned i = 1; i <= LIMITS_IDLE_MAX; i++)
        come_and_send_and_go(i);
    assert_int_equal(limits->entries.count, LIMITS_IDLE_MAX);
    for (unsigned i = 1; i <= 500; i++)
        come_and_send_and_go(LIMITS_IDLE_MAX + i);
    assert_int_equal(limits->entries.count, LIMITS_IDLE_MAX);
    come_and_send_and_go(1); /* the oldest was forgotten */
    struct ip_address kept = address("192.0.2.1");
    memcpy(kept.bytes, &(unsigned){LIMITS_IDLE_MAX}, sizeof(unsigned));
    limits_enter(limits, &access, &kept, 0);
    assert_false(limits_take_message(limits, &access, &kept, 0));
}

static void a_reload_changes_the_limits(void **state)
{
    (void)state;
    access.connections_per_address = 3;
    for (int i = 0; i < 3; i++)
        assert_int_equal(enter("192.0.2.1"), LIMITS_FINE);
    access.connections_per_address = 1;
    assert_int_equal(enter("192.0.2.1"), LIMITS_ADDRESS);
    access.connections_per_address = 4;
    assert_int_equal(enter("192.0.2.1"), LIMITS_FINE);
    access.messages_per_minute = 1;
    assert_true(take("192.0.2.1", 0));
    assert_false(take("192.0.2.1", 0));
    access.messages_per_minute = 2;
    assert_true(take("192.0.2.1", 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connections_of_a_site),
        TEST(connections_of_an_address),
        TEST(connections_of_a_network),
        TEST(no_limit),
        TEST(messages),
        TEST(messages_are_remembered_between_connections),
        TEST(memory_is_bounded),
        TEST(a_reload_changes_the_limits),
    };
    return RUN_TESTS(tests);
}
