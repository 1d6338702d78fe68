/* What sources have said, for a while. */
#include "../test.h"

#include <stdio.h>
#include <string.h>

#include "lookup/cache.h"

static void put(struct lookup_cache *cache, const char *address, enum lookup_status status,
                int64_t fresh_until, int64_t stale_until)
{
    struct lookup_answer *answer =
        lookup_answer_new(status, address, status == LOOKUP_FOUND ? strlen(address) : 0);
    lookup_cache_put(cache, address, answer, fresh_until, stale_until);
    lookup_answer_unref(answer);
}

static bool has(struct lookup_cache *cache, const char *address, int64_t now, bool stale)
{
    struct lookup_answer *answer = lookup_cache_get(cache, address, now, stale);
    bool found = answer;
    if (answer && answer->status == LOOKUP_FOUND)
        assert_string_equal(answer->text, address);
    lookup_answer_unref(answer);
    return found;
}

static void test_fresh_then_stale_then_gone(void **state)
{
    (void)state;
    struct lookup_cache *cache = lookup_cache_new(10);
    put(cache, "a@b", LOOKUP_FOUND, 100, 200);
    assert_true(has(cache, "a@b", 99, false));
    assert_false(has(cache, "a@b", 100, false));
    assert_true(has(cache, "a@b", 199, true));
    assert_false(has(cache, "a@b", 200, true));
    put(cache, "a@b", LOOKUP_NONE, 300, 300);
    put(cache, "a@b", LOOKUP_FOUND, 400, 400); /* replaces it, in the other list */
    assert_true(has(cache, "a@b", 399, false));
    assert_false(has(cache, "c@b", 0, true));
    lookup_cache_free(cache);
}

/* Both sides of the limit; what is used stays; guesses have half of the room at most. */
static void test_bounded(void **state)
{
    (void)state;
    struct lookup_cache *cache = lookup_cache_new(4);
    char address[32];
    put(cache, "used@b", LOOKUP_FOUND, 100, 100);
    for (int i = 0; i < 3; i++) {
        snprintf(address, sizeof address, "%d@b", i);
        put(cache, address, LOOKUP_FOUND, 100, 100);
    }
    assert_true(has(cache, "used@b", 0, false));
    put(cache, "one more@b", LOOKUP_FOUND, 100, 100);
    assert_true(has(cache, "used@b", 0, false));
    assert_false(has(cache, "0@b", 0, false));
    for (int i = 0; i < 100; i++) {
        snprintf(address, sizeof address, "guess%d@b", i);
        put(cache, address, LOOKUP_NONE, 100, 100);
    }
    assert_true(has(cache, "used@b", 0, false));
    assert_true(has(cache, "guess99@b", 0, false));
    assert_false(has(cache, "guess0@b", 0, false));
    lookup_cache_free(cache);
}

static void test_bounded_in_bytes(void **state)
{
    (void)state;
    static char text[LOOKUP_ANSWER_MAX];
    struct lookup_cache *cache = lookup_cache_new(100000);
    char address[32];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 1100; i++) {
        struct lookup_answer *answer = lookup_answer_new(LOOKUP_FOUND, text, sizeof text);
        snprintf(address, sizeof address, "%d@b", i);
        lookup_cache_put(cache, address, answer, 100, 100);
        lookup_answer_unref(answer);
    }
    size_t most = LOOKUP_CACHE_MAX_BYTES / LOOKUP_ANSWER_MAX, kept = 0;
    for (int i = 0; i < 1100; i++) {
        snprintf(address, sizeof address, "%d@b", i);
        struct lookup_answer *answer = lookup_cache_get(cache, address, 0, false);
        kept += answer != NULL;
        lookup_answer_unref(answer);
    }
    assert_in_range(kept, most - 10, most);
    lookup_cache_free(cache);
}

/* From the middle, the end and the front of a list; half of the room, and one more. */
static void test_which_goes_first(void **state)
{
    static const char *const found[] = {"1@b", "2@b", "3@b", "4@b"};
    (void)state;
    struct lookup_cache *cache = lookup_cache_new(4);
    for (int i = 0; i < 4; i++)
        put(cache, found[i], LOOKUP_FOUND, 100, 100);
    assert_true(has(cache, "2@b", 0, false));
    assert_true(has(cache, "1@b", 0, false));
    assert_true(has(cache, "1@b", 0, false));
    put(cache, "none1@b", LOOKUP_NONE, 100, 100);
    put(cache, "none2@b", LOOKUP_NONE, 100, 100);
    assert_false(has(cache, "3@b", 0, true));
    assert_false(has(cache, "4@b", 0, true));
    put(cache, "none3@b", LOOKUP_NONE, 100, 100); /* more than half: one of its own goes */
    assert_false(has(cache, "none1@b", 0, true));
    put(cache, "5@b", LOOKUP_FOUND, 100, 100); /* half: one of the others */
    assert_false(has(cache, "2@b", 0, true));
    assert_true(has(cache, "1@b", 0, true));
    assert_true(has(cache, "5@b", 0, true));
    assert_true(has(cache, "none2@b", 0, true));
    assert_true(has(cache, "none3@b", 0, true));
    lookup_cache_free(cache);
    cache = lookup_cache_new(5); /* half of it is two */
    put(cache, "none1@b", LOOKUP_NONE, 100, 100);
    for (int i = 0; i < 3; i++)
        put(cache, found[i], LOOKUP_FOUND, 100, 100);
    put(cache, "none2@b", LOOKUP_NONE, 100, 100);
    put(cache, "none3@b", LOOKUP_NONE, 100, 100);
    assert_false(has(cache, "none1@b", 0, true));
    for (int i = 0; i < 3; i++)
        assert_true(has(cache, found[i], 0, true));
    lookup_cache_free(cache);
    lookup_cache_free(NULL);
}

/* What was replaced, or is too old, leaves its room. */
static void test_room_comes_back(void **state)
{
    (void)state;
    static char text[LOOKUP_ANSWER_MAX];
    struct lookup_cache *cache = lookup_cache_new(3);
    memset(text, 'x', sizeof text);
    put(cache, "kept@b", LOOKUP_FOUND, 100, 100);
    for (int i = 0; i < 1100; i++) { /* more than LOOKUP_CACHE_MAX_BYTES in all */
        struct lookup_answer *answer = lookup_answer_new(LOOKUP_FOUND, text, sizeof text);
        lookup_cache_put(cache, "large@b", answer, 100, 100);
        lookup_answer_unref(answer);
    }
    assert_true(has(cache, "kept@b", 0, false));
    put(cache, "old@b", LOOKUP_FOUND, 1, 2);
    assert_false(has(cache, "old@b", 2, true));
    put(cache, "more@b", LOOKUP_FOUND, 100, 100);
    assert_true(has(cache, "kept@b", 0, false));
    assert_true(has(cache, "more@b", 0, false));
    struct lookup_answer *large = lookup_cache_get(cache, "large@b", 0, false);
    assert_non_null(large); /* three fit, so the one that was too old has gone */
    lookup_answer_unref(large);
    lookup_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh_then_stale_then_gone),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_bounded_in_bytes),
        cmocka_unit_test(test_which_goes_first),
        cmocka_unit_test(test_room_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
