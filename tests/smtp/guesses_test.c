#include "smtp/guesses.h"

#include <stdio.h>

#include "../test.h"

static struct guesses *guesses;
static int64_t delay;

static int start(void **state)
{
    (void)state;
    guesses = guesses_new();
    return guesses ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    guesses_free(guesses);
    return 0;
}

static struct ip_address address(const char *text)
{
    struct ip_address parsed;
    assert_int_equal(ip_address_parse(text, &parsed), 0);
    return parsed;
}

static bool begin(const char *user, const char *ip, int64_t now_ms)
{
    struct ip_address from = address(ip);
    return guesses_begin(guesses, user, &from, now_ms, &delay);
}

static void right(const char *user, const char *ip, int64_t now_ms)
{
    struct ip_address from = address(ip);
    guesses_right(guesses, user, &from, now_ms);
}

static void slower_then_refused_then_forgotten(void **state)
{
    (void)state;
    static const int64_t delays[] = {0, 0, 0, 1000, 2000, 4000, 8000, 16000, 32000, 64000};
    for (size_t i = 0; i < GUESSES_MAX_FAILS; i++) {
        assert_true(begin("printer", "192.0.2.1", 0));
        assert_int_equal(delay, delays[i]);
    }
    assert_false(begin("printer", "192.0.2.1", 0));
    assert_false(begin("printer", "192.0.2.1", GUESSES_FORGET_MS));
    assert_true(begin("printer", "192.0.2.1", GUESSES_FORGET_MS + 1));
    assert_int_equal(delay, 0);
}

/* Other users, other addresses of the network: the same count. Another network: none. */
static void by_network(void **state)
{
    (void)state;
    char user[16], ip[24];
    for (int i = 0; i < GUESSES_MAX_FAILS; i++) {
        snprintf(user, sizeof user, "user%d", i);
        snprintf(ip, sizeof ip, "192.0.2.%d", i);
        assert_true(begin(user, ip, 0));
    }
    assert_false(begin("else", "192.0.2.77", 0));
    assert_true(begin("user1", "192.0.3.1", 0));
    assert_int_equal(delay, 0);
    for (int i = 0; i < GUESSES_MAX_FAILS; i++)
        begin("x", "2001:db8::1", 0);
    assert_false(begin("y", "2001:db8::ffff", 0));
    assert_true(begin("y", "2001:db8:0:1::1", 0));
}

/* Who logged in from there of late is not locked out by its neighbours. */
static void known_addresses(void **state)
{
    (void)state;
    assert_true(begin("printer", "192.0.2.1", 0));
    right("printer", "192.0.2.1", 0);
    for (int i = 0; i < 2 * GUESSES_MAX_FAILS; i++)
        begin("printer", "192.0.2.2", 1);
    assert_false(begin("printer", "192.0.2.2", 1));
    assert_true(begin("printer", "192.0.2.1", 1));
    assert_int_equal(delay, 0);
    assert_false(begin("other", "192.0.2.1", 1)); /* as that user only */
    assert_true(begin("printer", "192.0.2.1", GUESSES_KNOWN_MS));
    for (int i = 0; i < GUESSES_MAX_FAILS; i++)
        begin("x", "192.0.2.9", GUESSES_KNOWN_MS + 1);
    assert_false(begin("printer", "192.0.2.1", GUESSES_KNOWN_MS + 1));
}

/* A right password is no guess. */
static void logins_that_work_do_not_count(void **state)
{
    (void)state;
    char user[16];
    for (int i = 0; i < 5 * GUESSES_MAX_FAILS; i++) {
        snprintf(user, sizeof user, "user%d", i);
        assert_true(begin(user, "192.0.2.1", 0));
        assert_int_equal(delay, 0);
        right(user, "192.0.2.1", 0);
    }
}

static void memory_is_bounded(void **state)
{
    (void)state;
    char ip[24];
    for (int i = 0; i < GUESSES_MAX_FAILS; i++)
        begin("a", "192.0.2.1", 0);
    assert_false(begin("a", "192.0.2.1", 0));
    for (int i = 0; i < GUESSES_MAX; i++) {
        snprintf(ip, sizeof ip, "10.%d.%d.1", i / 256, i % 256);
        begin("a", ip, 1);
    }
    assert_true(begin("a", "192.0.2.1", 1)); /* the oldest has gone */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(slower_then_refused_then_forgotten), TEST(by_network),        TEST(known_addresses),
        TEST(logins_that_work_do_not_count),      TEST(memory_is_bounded),
    };
    return RUN_TESTS(tests);
}
