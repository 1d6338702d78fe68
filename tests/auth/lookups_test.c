#include "auth/lookups.h"

#include <errno.h>
#include <stdio.h>

#include "../test.h"

static void a_question_is_noted_once(void **state)
{
    (void)state;
    struct lookups lookups = {0};
    const struct dns_answer *answer;
    assert_int_equal(lookups_get(&lookups, "A.example", RECORD_A, &answer), -EAGAIN);
    assert_int_equal(lookups_get(&lookups, "a.example.", RECORD_A, &answer), -EAGAIN);
    assert_int_equal(lookups_get(&lookups, "a.example", RECORD_TXT, &answer), -EAGAIN);
    assert_int_equal(lookups.count, 2);
    assert_null(lookups_find(&lookups, "a.example", RECORD_A));
    lookups.items[0].answer = dns_answer_empty(DNS_FAILED, 0);
    assert_int_equal(lookups_get(&lookups, "a.example", RECORD_A, &answer), 0);
    assert_int_equal(answer->status, DNS_FAILED);
    assert_ptr_equal(lookups_find(&lookups, "a.EXAMPLE", RECORD_A), answer);
    lookups_free(&lookups);
}

static void what_cannot_be_asked_is_not(void **state)
{
    (void)state;
    struct lookups lookups = {0};
    const struct dns_answer *answer;
    assert_int_equal(lookups_get(&lookups, "a..b", RECORD_A, &answer), 0);
    assert_int_equal(answer->status, DNS_NONE);
    assert_int_equal(lookups.count, 0);
}

static void so_many_and_no_more(void **state)
{
    (void)state;
    struct lookups lookups = {0};
    const struct dns_answer *answer;
    char name[32];
    for (unsigned i = 0; i < LOOKUPS_MAX; i++) {
        snprintf(name, sizeof name, "n%u.x", i);
        assert_int_equal(lookups_get(&lookups, name, RECORD_A, &answer), -EAGAIN);
    }
    assert_int_equal(lookups_get(&lookups, "more.x", RECORD_A, &answer), -E2BIG);
    assert_int_equal(lookups_get(&lookups, "n0.x", RECORD_A, &answer), -EAGAIN);
    lookups_free(&lookups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_noted_once),
        cmocka_unit_test(what_cannot_be_asked_is_not),
        cmocka_unit_test(so_many_and_no_more),
    };
    return RUN_TESTS(tests);
}
