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

/* As many networks of one /48 as there are: each gets less than its ten. Another site: none. */
static void by_site(void **state)
{
    (void)state;
    char ip[40];
    for (int i = 0; i < GUESSES_SITE_FAILS; i++) {
        snprintf(ip, sizeof ip, "2001:db8:1:%x::1", i);
        assert_true(begin("x", ip, 0));
        assert_int_equal(delay, 0);
    }
    assert_false(begin("x", "2001:db8:1:ffff::1", 0));
    assert_true(begin("x", "2001:db8:2::1", 0));
    assert_true(begin("x", "2001:db8:1:ffff::1", GUESSES_FORGET_MS + 1));
}

/* Who goes on when refused costs the others of the site nothing more. */
static void refused_ones_do_not_count_for_the_site(void **state)
{
    (void)state;
    for (int i = 0; i < 10 * GUESSES_SITE_FAILS; i++)
        begin("x", "2001:db8:1:1::1", 0);
    assert_true(begin("y", "2001:db8:1:2::1", 0));
}

static size_t count_known(int64_t now_ms);

/* No number of guesses, from wherever, makes a known address be forgotten. */
static void guesses_do_not_displace_known_addresses(void **state)
{
    (void)state;
    char ip[24];
    right("printer", "192.0.2.1", 0);
    for (int i = 0; i < 2 * GUESSES_MAX; i++) {
        snprintf(ip, sizeof ip, "10.%d.%d.1", i / 256, i % 256);
        begin("printer", ip, 1);
    }
    assert_int_equal(count_known(1), 1);
    for (int i = 0; i < 2 * GUESSES_MAX_FAILS; i++)
        begin("x", "192.0.2.2", 2);
    assert_true(begin("printer", "192.0.2.1", 2));
}

static void remember(void *context, const char *user, const struct ip_address *from, int64_t age_ms)
{
    struct guesses *other = context;
    guesses_know(other, user, from, age_ms, 5000);
}

static void count_one(void *context, const char *user, const struct ip_address *from,
                      int64_t age_ms)
{
    (void)user, (void)from, (void)age_ms;
    ++*(size_t *)context;
}

static size_t count_known(int64_t now_ms)
{
    size_t count = 0;
    guesses_each_known(guesses, now_ms, count_one, &count);
    return count;
}

/* To another process, whose clock began elsewhere. */
static void known_addresses_are_handed_on(void **state)
{
    (void)state;
    right("printer", "192.0.2.1", 0);
    right("a b", "2001:db8::1", GUESSES_KNOWN_MS);
    assert_int_equal(count_known(GUESSES_KNOWN_MS), 2);
    assert_int_equal(count_known(GUESSES_KNOWN_MS + 1), 1);
    struct guesses *other = guesses_new();
    assert_non_null(other);
    guesses_each_known(guesses, GUESSES_KNOWN_MS, remember, other);
    guesses_free(guesses);
    guesses = other;
    assert_int_equal(count_known(5000), 2);
    for (int i = 0; i < 2 * GUESSES_MAX_FAILS; i++)
        begin("x", "2001:db8::2", 5000);
    assert_true(begin("a b", "2001:db8::1", 5000));
    assert_int_equal(count_known(5001), 1); /* the printer's age came along */
}

/* What is to be kept: a new address, and once a day that it is still used. */
static void said_once_a_day(void **state)
{
    (void)state;
    const int64_t day = 24 * 3600000;
    struct ip_address from = address("192.0.2.1");
    assert_true(guesses_right(guesses, "printer", &from, 0));
    assert_false(guesses_right(guesses, "printer", &from, 1));
    assert_true(guesses_right(guesses, "else", &from, 1));
    assert_false(guesses_right(guesses, "printer", &from, day - 1));
    assert_true(guesses_right(guesses, "printer", &from, day));
    assert_false(guesses_right(guesses, "printer", &from, day + 1));
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
    for (int i = 0; i < GUESSES_MAX + 10; i++) {
        snprintf(ip, sizeof ip, "10.%d.%d.1", i / 256, i % 256);
        right("a", ip, 1);
    }
    assert_int_equal(count_known(1), GUESSES_MAX);
}

/* After a count is forgotten it begins anew, slowly again. */
static void a_forgotten_count_begins_anew(void **state)
{
    static const int64_t delays[] = {0, 0, 0, 1000, 2000, 4000, 8000, 16000, 32000, 64000};
    const int64_t later = GUESSES_FORGET_MS + 1;
    (void)state;
    for (int i = 0; i < 5; i++)
        begin("printer", "192.0.2.1", 0);
    for (size_t i = 0; i < GUESSES_MAX_FAILS; i++) {
        assert_true(begin("printer", "192.0.2.1", later));
        assert_int_equal(delay, delays[i]);
    }
    assert_false(begin("printer", "192.0.2.1", later));
}

/* Many networks of one site, all with the right password. */
static void logins_that_work_do_not_count_for_the_site(void **state)
{
    char ip[40], user[16];
    (void)state;
    for (int i = 0; i < 2 * GUESSES_SITE_FAILS; i++) {
        snprintf(ip, sizeof ip, "2001:db8:1:%x::1", i);
        snprintf(user, sizeof user, "user%d", i);
        assert_true(begin(user, ip, 0));
        right(user, ip, 0);
    }
    assert_int_equal(guesses_known(guesses), 2 * GUESSES_SITE_FAILS);
}

/* The one that goes is the one that was not heard of the longest. */
static void what_is_still_guessed_at_stays(void **state)
{
    char ip[24];
    (void)state;
    for (int i = 0; i < 5; i++)
        begin("a", "192.0.2.1", 0);
    for (int i = 0; i < GUESSES_MAX / 2 - 1; i++) { /* two counts each: all places are taken */
        snprintf(ip, sizeof ip, "10.%d.%d.1", i / 256, i % 256);
        begin("a", ip, 1);
    }
    assert_true(begin("a", "192.0.2.1", 2));
    assert_int_equal(delay, 4000);
    begin("a", "198.51.100.1", 3); /* for this one 10.0.0.1's go */
    assert_true(begin("a", "10.0.0.1", 4));
    assert_int_equal(delay, 0);
    assert_true(begin("a", "192.0.2.1", 5));
    assert_int_equal(delay, 8000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(slower_then_refused_then_forgotten),
        TEST(by_network),
        TEST(known_addresses),
        TEST(logins_that_work_do_not_count),
        TEST(memory_is_bounded),
        TEST(by_site),
        TEST(refused_ones_do_not_count_for_the_site),
        TEST(guesses_do_not_displace_known_addresses),
        TEST(known_addresses_are_handed_on),
        TEST(said_once_a_day),
        TEST(a_forgotten_count_begins_anew),
        TEST(logins_that_work_do_not_count_for_the_site),
        TEST(what_is_still_guessed_at_stays),
    };
    return RUN_TESTS(tests);
}
