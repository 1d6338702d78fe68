/* Who has what in hand, and when what is due next: each rule with one, with many, and with none. */
#include "spool/leases.h"

#include <stdlib.h>

#include "../test.h"

#define MANY 200

static void take(struct leases *leases, int64_t row, uint64_t origin, uint64_t lane)
{
    assert_int_equal(leases_take(leases, row, origin, lane), 0);
}

static struct origin_due *due_of(const struct leases *leases, uint64_t key)
{
    return map_get(&leases->origins, key);
}

static void hold(struct leases *leases, uint64_t origin, uint64_t lane, int64_t until_ms,
                 size_t most)
{
    struct hold one = {
        .origin = origin, .lane = lane, .held = {.until_ms = until_ms, .most = most}};
    leases_hold(leases, &one);
}

static void what_is_taken_is_counted_until_it_is_dropped(void **state)
{
    struct leases leases = {0};
    (void)state;
    assert_null(leases_lane(&leases, 7));
    take(&leases, 1, 5, 7);
    take(&leases, 2, 5, 7);
    take(&leases, 3, 5, 8);
    take(&leases, 4, 6, 9);
    assert_true(leases_has(&leases, 1) && leases_has(&leases, 4) && !leases_has(&leases, 5));
    assert_int_equal(leases_lane(&leases, 7)->leased, 2);
    assert_int_equal(leases_lane(&leases, 8)->leased, 1);
    assert_int_equal(due_of(&leases, 5)->leased, 3);
    assert_int_equal(due_of(&leases, 5)->lanes, 2);
    assert_int_equal(due_of(&leases, 6)->lanes, 1);
    assert_int_equal(due_of(&leases, 6)->turn, -1);
    assert_true(due_of(&leases, 6)->next_due_ms == NEVER);
    leases_drop(&leases, 1);
    leases_drop(&leases, 1); /* once */
    leases_drop(&leases, 99);
    assert_false(leases_has(&leases, 1));
    assert_int_equal(leases_lane(&leases, 7)->leased, 1);
    assert_int_equal(due_of(&leases, 5)->leased, 2);
    leases_free(&leases);
    assert_null(leases_lane(&leases, 7));
}

static void an_origin_is_due_when_its_first_is_and_its_hold_ends(void **state)
{
    struct leases leases = {0};
    (void)state;
    assert_true(leases_next_due(&leases, 0) == NEVER);
    leases_note_due(&leases, 5, 100);
    assert_int_equal(leases_due(&leases, due_of(&leases, 5)), 100);
    leases_note_due(&leases, 5, 101); /* later: nothing new */
    assert_int_equal(due_of(&leases, 5)->next_due_ms, 100);
    leases_note_due(&leases, 5, 99);
    assert_int_equal(due_of(&leases, 5)->next_due_ms, 99);
    hold(&leases, 5, 0, 98, 1);
    assert_int_equal(leases_due(&leases, due_of(&leases, 5)), 99);
    hold(&leases, 5, 0, 150, 1);
    assert_int_equal(leases_due(&leases, due_of(&leases, 5)), 150);
    assert_int_equal(due_of(&leases, 5)->hold.most, 1);
    assert_int_equal(leases_next_due(&leases, 149), 150);
    assert_true(leases_next_due(&leases, 150) == NEVER);
    leases_note_due(&leases, 6, 160);
    assert_int_equal(leases_next_due(&leases, 0), 150);
    assert_int_equal(leases_next_due(&leases, 150), 160);
    leases.incomplete = true;
    leases_forget_due(&leases);
    assert_false(leases.incomplete);
    assert_true(due_of(&leases, 5)->next_due_ms == NEVER &&
                due_of(&leases, 6)->next_due_ms == NEVER);
    leases_free(&leases);
}

/* Wherever in the table an origin stands. */
static void each_of_many_origins_is_seen(void **state)
{
    struct leases leases = {0};
    (void)state;
    for (uint64_t key = 1; key <= MANY; key++)
        leases_note_due(&leases, key * 0x9e3779b97f4a7c15u, (int64_t)key * 10);
    for (int64_t key = 0; key < MANY; key++)
        assert_int_equal(leases_next_due(&leases, key * 10), (key + 1) * 10);
    for (uint64_t key = 1; key <= MANY; key++)
        hold(&leases, key * 0x9e3779b97f4a7c15u, key, 10000 + (int64_t)key, 0);
    for (uint64_t key = 1; key <= MANY; key++)
        hold(&leases, key * 0x9e3779b97f4a7c15u, 0, 10000 + (int64_t)key, 0);
    leases_set_back(&leases, 1000);
    for (uint64_t key = 1; key <= MANY; key++) {
        assert_int_equal(due_of(&leases, key * 0x9e3779b97f4a7c15u)->hold.until_ms,
                         9000 + (int64_t)key);
        assert_int_equal(leases_lane(&leases, key)->hold.until_ms, 9000 + (int64_t)key);
    }
    leases_forget_due(&leases);
    for (uint64_t key = 1; key <= MANY; key++)
        assert_true(due_of(&leases, key * 0x9e3779b97f4a7c15u)->next_due_ms == NEVER);
    leases_free(&leases);
}

static void what_is_not_held_is_not_set_back(void **state)
{
    struct leases leases = {0};
    (void)state;
    hold(&leases, 5, 0, 0, 2);
    hold(&leases, 5, 7, 1, 2);
    leases_set_back(&leases, 10);
    assert_int_equal(due_of(&leases, 5)->hold.until_ms, 0);
    assert_int_equal(leases_lane(&leases, 7)->hold.until_ms, -9);
    leases_free(&leases);
}

/* A lane whose hold ends may have something due at once; an origin is asked when its own time has come. */
static void a_hold_of_a_lane_that_ends_makes_its_origin_due(void **state)
{
    struct leases leases = {0};
    (void)state;
    leases_note_due(&leases, 5, 500);
    hold(&leases, 5, 7, 100, 1);
    assert_int_equal(due_of(&leases, 5)->next_due_ms, 500);
    assert_int_equal(due_of(&leases, 5)->hold.until_ms, 0);
    assert_int_equal(leases_lane(&leases, 7)->hold.until_ms, 100);
    hold(&leases, 5, 7, 0, 0);
    assert_int_equal(due_of(&leases, 5)->next_due_ms, 0);
    leases_forget_due(&leases);
    hold(&leases, 5, 0, 0, 0);
    assert_true(due_of(&leases, 5)->next_due_ms == NEVER);
    leases_free(&leases);
}

static void a_probe_ends_a_hold_that_is_not_over(void **state)
{
    struct leases leases = {0};
    (void)state;
    assert_false(leases_probe(&leases, 5, 0, 0));
    assert_false(leases_probe(&leases, 5, 7, 0));
    hold(&leases, 5, 0, 100, 1);
    hold(&leases, 5, 7, 200, 1);
    assert_false(leases_probe(&leases, 5, 0, 100));
    assert_false(leases_probe(&leases, 5, 8, 0));
    assert_false(leases_probe(&leases, 6, 7, 0));
    assert_true(due_of(&leases, 5)->next_due_ms == NEVER);
    assert_true(leases_probe(&leases, 5, 0, 99));
    assert_int_equal(due_of(&leases, 5)->hold.until_ms, 99);
    assert_int_equal(due_of(&leases, 5)->next_due_ms, 0);
    leases_forget_due(&leases);
    assert_true(leases_probe(&leases, 5, 7, 199));
    assert_int_equal(leases_lane(&leases, 7)->hold.until_ms, 199);
    assert_int_equal(due_of(&leases, 5)->next_due_ms, 0);
    assert_false(leases_probe(&leases, 5, 7, 199));
    leases_free(&leases);
}

/* Those alone that have nothing leased, nothing due and no hold. */
static void what_has_nothing_is_forgotten(void **state)
{
    struct leases leases = {0};
    (void)state;
    take(&leases, 1, 1, 11); /* leased */
    hold(&leases, 2, 12, 5, 0);
    hold(&leases, 3, 13, 0, 1);
    take(&leases, 4, 4, 14);
    leases_drop(&leases, 4);
    leases_note_due(&leases, 5, 10);
    hold(&leases, 6, 0, 5, 0);
    hold(&leases, 7, 0, 0, 1);
    due_of(&leases, 3)->next_due_ms = NEVER;
    for (int i = 0; i < 3; i++)
        leases_prune(&leases);
    assert_true(leases_lane(&leases, 11) && leases_lane(&leases, 12) && leases_lane(&leases, 13));
    assert_null(leases_lane(&leases, 14));
    assert_null(due_of(&leases, 4));
    for (uint64_t key = 1; key <= 7; key++)
        assert_true(key == 4 || due_of(&leases, key));
    leases_free(&leases);
    for (uint64_t key = 1; key <= MANY; key++) {
        take(&leases, (int64_t)key, key, key);
        leases_drop(&leases, (int64_t)key);
    }
    for (int i = 0; i < MANY; i++)
        leases_prune(&leases);
    assert_int_equal(leases.lanes.count, 0);
    assert_int_equal(leases.origins.count, 0);
    leases_free(&leases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_is_counted_until_it_is_dropped),
        cmocka_unit_test(an_origin_is_due_when_its_first_is_and_its_hold_ends),
        cmocka_unit_test(each_of_many_origins_is_seen),
        cmocka_unit_test(what_is_not_held_is_not_set_back),
        cmocka_unit_test(a_hold_of_a_lane_that_ends_makes_its_origin_due),
        cmocka_unit_test(a_probe_ends_a_hold_that_is_not_over),
        cmocka_unit_test(what_has_nothing_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
