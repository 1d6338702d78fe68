/* What was asked of DNS, while it is valid: the clock is the test's. */
#include <stdio.h>

#include "base/clock.h"
#include "dns/cache.h"

#include "../test.h"

static int64_t now;

int64_t __wrap_clock_monotonic_ms(void); /* the linker's name for it */

int64_t __wrap_clock_monotonic_ms(void)
{
    return now;
}

static void put(struct cache *cache, const char *name, struct dns_answer *answer)
{
    assert_non_null(answer);
    cache_put(cache, name, RECORD_A, answer);
    dns_answer_unref(answer);
}

static struct dns_answer *records(uint32_t ttl)
{
    return dns_answer_make(&(struct record){4, "\x7f\0\0\x01", 0}, 1, ttl);
}

static bool has(struct cache *cache, const char *name)
{
    struct dns_answer *answer = cache_get(cache, name, RECORD_A);
    bool found = answer;
    dns_answer_unref(answer);
    return found;
}

/* To the millisecond; a day at most, an hour for what says that there is nothing. */
static void as_long_as_it_is_valid(void **state)
{
    static const struct {
        uint32_t ttl;
        enum dns_answer_status status;
        int64_t ms;
    } rows[] = {
        {0, DNS_RECORDS, 0},
        {1, DNS_RECORDS, 1000},
        {86399, DNS_RECORDS, 86399000},
        {86400, DNS_RECORDS, 86400000},
        {86401, DNS_RECORDS, 86400000},
        {UINT32_MAX, DNS_RECORDS, 86400000},
        {0, DNS_NONE, 0},
        {3599, DNS_NONE, 3599000},
        {3600, DNS_NONE, 3600000},
        {3601, DNS_NONE, 3600000},
        {1, DNS_FAILED, 1000},
        {86400, DNS_FAILED, 3600000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cache *cache = cache_new(100000);
        now = 5000;
        put(cache, "a.example",
            rows[i].status == DNS_RECORDS ? records(rows[i].ttl)
                                          : dns_answer_empty(rows[i].status, rows[i].ttl));
        now = 5000 + rows[i].ms - 1;
        assert_int_equal(has(cache, "a.example"), rows[i].ms > 0);
        now++;
        assert_false(has(cache, "a.example"));
        now = 5000; /* it has gone, and is not only hidden */
        assert_false(has(cache, "a.example"));
        put(cache, "a.example", records(1));
        assert_true(has(cache, "a.example"));
        cache_free(cache);
    }
}

static void each_name_and_type_has_its_own(void **state)
{
    struct cache *cache = cache_new(100000);
    (void)state;
    put(cache, "a.example", records(10));
    assert_null(cache_get(cache, "a.example", RECORD_AAAA));
    assert_null(cache_get(cache, "a.exampl", RECORD_A));
    assert_null(cache_get(cache, "b.example", RECORD_A));
    assert_true(has(cache, "a.example"));
    cache_free(cache);
    cache_free(NULL);
}

/* How many of these fit into so many bytes. */
static size_t capacity(size_t limit)
{
    struct cache *cache = cache_new(limit);
    char name[16];
    size_t count = 0;
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "%02d.example", i);
        put(cache, name, records(10));
    }
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "%02d.example", i);
        count += has(cache, name);
    }
    cache_free(cache);
    return count;
}

static void what_was_not_used_the_longest_goes_first(void **state)
{
    (void)state;
    size_t limit = 1;
    while (capacity(limit) < 3)
        limit++;
    assert_int_equal(capacity(limit - 1), 2);     /* exactly three: the limit belongs to it */
    assert_int_equal(limit % 3, 0);               /* no more is counted than what is there */
    assert_int_equal(capacity(limit / 3 * 7), 7); /* nor does it grow by what has gone */
    struct cache *cache = cache_new(limit);
    put(cache, "1.example", records(10));
    put(cache, "2.example", records(10));
    put(cache, "3.example", records(10));
    assert_true(has(cache, "2.example")); /* from the middle */
    assert_true(has(cache, "1.example")); /* the oldest */
    assert_true(has(cache, "1.example")); /* the newest */
    put(cache, "4.example", records(10));
    assert_false(has(cache, "3.example"));
    put(cache, "5.example", records(10));
    assert_false(has(cache, "2.example"));
    assert_true(has(cache, "5.example"));
    assert_true(has(cache, "4.example"));
    assert_true(has(cache, "1.example"));
    cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_long_as_it_is_valid),
        cmocka_unit_test(each_name_and_type_has_its_own),
        cmocka_unit_test(what_was_not_used_the_longest_goes_first),
    };
    return RUN_TESTS(tests);
}
