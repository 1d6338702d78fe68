/* The pace of a destination, step by step: what each answer does to the rate and to when the next request may begin. */
#include <math.h>
#include <stdio.h>

#include "../test.h"
#include "deliver/lanes.h"
#include "deliver/pace.h"

#define NOW 1000000

static void near(double value, double expected)
{
    if (fabs(value - expected) > 1e-9)
        fail_msg("%.12f is not %.12f", value, expected);
}

static void the_lower_of_rate_and_limit_holds(void **state)
{
    (void)state;
    static const struct {
        double rate, limit, expected;
    } rows[] = {{0, 0, 0}, {2, 0, 2}, {0, 3, 3}, {2, 3, 2}, {3, 3, 3}, {4, 3, 3}, {0.5, -1, 0.5}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        near(pace_rate(&(struct pace){.rate = rows[i].rate, .limit = rows[i].limit}),
             rows[i].expected);
}

static void the_next_one_begins_after_hold_and_rate(void **state)
{
    (void)state;
    assert_int_equal(pace_next(&(struct pace){.next_ms = 5}), 0); /* without a rate */
    assert_int_equal(pace_next(&(struct pace){.until_ms = 7}), 7);
    assert_int_equal(pace_next(&(struct pace){.rate = 1, .next_ms = 5}), 5);
    assert_int_equal(pace_next(&(struct pace){.rate = 1, .next_ms = 5.002}), 6); /* not before */
    assert_int_equal(pace_next(&(struct pace){.rate = 1, .next_ms = 5, .until_ms = 7}), 7);
    assert_int_equal(pace_next(&(struct pace){.rate = 1, .next_ms = 8, .until_ms = 7}), 8);
}

static void requests_are_spaced_evenly(void **state)
{
    (void)state;
    struct pace free = {0}, pace = {.rate = 4};
    pace_begin(&free, NOW);
    assert_int_equal(free.since_ms, NOW);
    near(free.next_ms, 0);
    pace_begin(&free, NOW + 5);
    assert_int_equal(free.since_ms, NOW); /* the first */
    pace_begin(&pace, NOW);
    near(pace.next_ms, NOW + 250);
    pace_begin(&pace, NOW + 100); /* ahead of time: one behind the other */
    near(pace.next_ms, NOW + 500);
    pace_begin(&pace, NOW + 501); /* a timer's millisecond */
    near(pace.next_ms, NOW + 750);
    pace_begin(&pace, NOW + 752); /* time that was not used is not made up for */
    near(pace.next_ms, NOW + 1002);
}

static void without_a_time_the_pause_doubles(void **state)
{
    (void)state;
    static const int64_t pauses[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct pace pace = {0};
    int64_t now = NOW;
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        pace_slow_down(&pace, now, 0, now);
        assert_int_equal(pace.until_ms, now + pauses[i]);
        assert_int_equal(pace.slowed_ms, now);
        near(pace.next_ms, (double)pace.until_ms);
        assert_int_equal(pace.since_ms, pace.until_ms);
        near(pace.rate, 1); /* it has taken nothing yet */
        now = pace.until_ms + 1;
    }
    pace_took(&pace, now);
    assert_int_equal(pace.pause_ms, 0);
    assert_int_equal(pace.took, 1);
    pace_slow_down(&pace, now + 1, 0, now + 1);
    assert_int_equal(pace.until_ms, now + 1001);
}

static void what_it_asks_for_is_kept(void **state)
{
    (void)state;
    struct pace pace = {0};
    pace_slow_down(&pace, NOW, 5000, NOW);
    assert_int_equal(pace.until_ms, NOW + 5000);
    assert_int_equal(pace.pause_ms, 0);
    pace_slow_down(&pace, NOW, 3000, NOW + 1000); /* shorter, of one that was under way */
    assert_int_equal(pace.until_ms, NOW + 5000);
    assert_int_equal(pace.slowed_ms, NOW);
    near(pace.next_ms, NOW + 5000);
    pace_slow_down(&pace, NOW, 6000, NOW + 1000);
    assert_int_equal(pace.until_ms, NOW + 7000);
    near(pace.next_ms, NOW + 7000);
    assert_int_equal(pace.slowed_ms, NOW); /* that is no news of the rate */
    pace_slow_down(&pace, NOW, 0, NOW + 7500);
    assert_int_equal(pace.until_ms, NOW + 7500);
    assert_int_equal(pace.slowed_ms, NOW);
    pace_slow_down(&pace, NOW + 1, 1000, NOW + 8000);
    assert_int_equal(pace.slowed_ms, NOW + 8000);
}

/* What it has taken a second, less a tenth; at once no more than by half, and by a tenth at least. */
static void the_rate_is_what_it_took(void **state)
{
    (void)state;
    static const struct {
        double rate;
        unsigned took;
        int64_t seconds;
        double expected;
    } rows[] = {
        {0, 20, 10, 1.8},           {0, 20, 0, 18},    {0, 0, 10, 1},
        {10, 100, 10, 9},           {10, 60, 10, 5.4}, {10, 10, 10, 5},
        {10, 1000, 10, 9},          {10, 0, 10, 10},   {0, 1, 7200, 1.0 / 3600},
        {0.0002, 0, 1, 1.0 / 3600},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pace pace = {
            .rate = rows[i].rate, .took = rows[i].took, .since_ms = NOW - 1000 * rows[i].seconds};
        pace_slow_down(&pace, NOW, 1000, NOW);
        near(pace.rate, rows[i].expected);
        near(pace.lowered_to, rows[i].expected);
        assert_int_equal(pace.took, 0);
        assert_int_equal(pace.since_ms, NOW + 1000);
    }
}

static void what_is_taken_raises_it(void **state)
{
    (void)state;
    struct pace none = {0};
    pace_took(&none, NOW);
    near(none.rate, 0);
    assert_int_equal(none.took, 1);
    struct pace pace = {.rate = 5, .lowered_to = 4, .slowed_ms = NOW, .pause_ms = 8000};
    pace_took(&pace, NOW);
    near(pace.rate, 5 + 0.004 * 4 / 5);
    assert_int_equal(pace.pause_ms, 0);
    pace = (struct pace){.rate = 5, .lowered_to = 4, .slowed_ms = NOW};
    pace_took(&pace, NOW + 60000); /* twice the time after which it grows twice as fast */
    near(pace.rate, 5 + 0.004 * 5 * 4 / 5);
}

static void a_rate_is_forgotten_after_ten_minutes(void **state)
{
    (void)state;
    struct pace pace = {.limit = 3, .rate = 2, .slowed_ms = NOW, .next_ms = 9, .until_ms = NOW};
    assert_false(pace_rest(&pace, NOW + PACE_FORGET_MS));
    near(pace.rate, 2);
    pace.until_ms = NOW + 1;
    assert_false(pace_rest(&pace, NOW + PACE_FORGET_MS + 1)); /* since the hold ended */
    assert_true(pace_rest(&pace, NOW + PACE_FORGET_MS + 2));
    near(pace.rate, 0);
    near(pace.limit, 3);
    near(pace.next_ms, 9);
    assert_true(pace_rest(&pace, NOW));
}

/* ---- Lanes ---- */

static struct lane *ready(struct lanes *lanes, const char *url)
{
    struct lane *lane = lanes_get(lanes, url);
    assert_non_null(lane);
    lane->ready = (struct job *)lane; /* not looked at */
    lanes_queue(lanes, lane);
    return lane;
}

static void origins_and_their_lanes_take_turns(void **state)
{
    (void)state;
    struct lanes lanes;
    lanes_init(&lanes);
    assert_null(lanes_next_origin(&lanes));
    struct lane *a1 = ready(&lanes, "http://a/1"), *b1 = ready(&lanes, "http://b/1"),
                *a2 = ready(&lanes, "http://a/2");
    lanes_queue(&lanes, a1); /* it stands there already */
    assert_ptr_equal(lanes_get(&lanes, "http://a/1?query"), a1);
    assert_int_equal(a1->origin->lanes, 2);
    struct origin *a = lanes_next_origin(&lanes);
    assert_string_equal(a->name, "http://a:80");
    assert_ptr_equal(lanes_next(a), a1);
    lanes_queue(&lanes, a1); /* behind the others now */
    assert_ptr_equal(lanes_next_origin(&lanes), b1->origin);
    assert_ptr_equal(lanes_next(b1->origin), b1);
    assert_null(lanes_next(b1->origin));
    lanes_queue_origin(&lanes, b1->origin); /* nothing of it is ready */
    assert_ptr_equal(lanes_next_origin(&lanes), a);
    assert_ptr_equal(lanes_next(a), a2);
    assert_ptr_equal(lanes_next(a), a1);
    assert_null(lanes_next_origin(&lanes));
    a1->ready = NULL;
    lanes_queue(&lanes, a1);
    assert_null(lanes_next_origin(&lanes));
    lanes_free(&lanes);
}

/* The first, one of the middle, and the last, each in its rings: those that are left are in order, and another one can
 * be put behind them. */
static void what_is_forgotten_leaves_its_rings(void **state)
{
    (void)state;
    static const char *const urls[] = {"http://a/", "http://b/", "http://c/"}, *const paths[] = {
                                                                                   "http://d/1",
                                                                                   "http://d/2",
                                                                                   "http://d/3"};
    for (int gone = 0; gone < 3; gone++) {
        struct lanes lanes;
        struct lane *lane[3], *path[3];
        lanes_init(&lanes);
        for (int i = 0; i < 3; i++)
            lane[i] = ready(&lanes, urls[i]);
        for (int i = 0; i < 3; i++)
            path[i] = ready(&lanes, paths[i]);
        struct origin *d = path[0]->origin;
        lanes_forget(&lanes, lane[gone]);
        lanes_forget(&lanes, path[gone]);
        assert_int_equal(lanes.lanes.count, 4);
        assert_int_equal(lanes.origins.count, 3);
        assert_int_equal(d->lanes, 2);
        struct lane *behind = ready(&lanes, "http://e/"), *last = ready(&lanes, "http://d/4");
        for (int i = 0; i < 3; i++)
            if (i != gone)
                assert_ptr_equal(lanes_next_origin(&lanes), lane[i]->origin);
        assert_ptr_equal(lanes_next_origin(&lanes), d);
        assert_ptr_equal(lanes_next_origin(&lanes), behind->origin);
        assert_null(lanes_next_origin(&lanes));
        for (int i = 0; i < 3; i++)
            if (i != gone)
                assert_ptr_equal(lanes_next(d), path[i]);
        assert_ptr_equal(lanes_next(d), last);
        assert_null(lanes_next(d));
        const struct lane *oldest = gone == 0 ? lane[1] : lane[0];
        assert_ptr_equal(lanes.oldest, oldest);
        assert_ptr_equal(lanes.newest, last);
        size_t forward = 0, back = 0;
        for (const struct lane *l = lanes.oldest; l; l = l->newer)
            forward++;
        for (const struct lane *l = lanes.newest; l; l = l->older)
            back++;
        assert_int_equal(forward, 6);
        assert_int_equal(back, 6);
        lanes_free(&lanes);
    }
}

static void the_oldest_that_is_not_in_hand_is_surplus(void **state)
{
    (void)state;
    struct lanes lanes;
    char url[32];
    lanes_init(&lanes);
    for (int i = 0; i < LANES_MAX; i++) {
        snprintf(url, sizeof url, "http://a/%d", i);
        assert_non_null(lanes_get(&lanes, url));
    }
    assert_null(lanes_surplus(&lanes));
    struct lane *first = lanes_get(&lanes, "http://a/0"); /* the newest now */
    lanes_get(&lanes, "http://b/");
    struct lane *second = lanes_get(&lanes, "http://a/2");
    assert_string_equal(lanes_surplus(&lanes)->name, "http://a:80/1");
    lanes.oldest->in_hand = 1;
    assert_string_equal(lanes_surplus(&lanes)->name, "http://a:80/3");
    lanes.oldest->in_hand = 0;
    assert_ptr_equal(lanes.newest, second);
    assert_ptr_equal(second->older->older, first);
    lanes_free(&lanes);
}

static void what_is_paused_is_marked(void **state)
{
    (void)state;
    struct lanes lanes;
    struct pauses pauses = {0};
    struct pause pause = {.origin = origin_key("http://a/"), .lane = lane_key("http://a/1")};
    assert_int_equal(pauses_add(&pauses, &pause), 0);
    lanes_init(&lanes);
    struct lane *one = lanes_get(&lanes, "http://a/1"), *two = lanes_get(&lanes, "http://a/2");
    lanes_pause(&lanes, &pauses);
    assert_true(one->paused && !two->paused);
    lanes_forget(&lanes, one);
    assert_true(lanes_get(&lanes, "http://a/1")->paused); /* a new one, too */
    lanes_pause(&lanes, NULL);
    assert_false(lanes_get(&lanes, "http://a/1")->paused);
    pauses_free(&pauses);
    lanes_free(&lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lower_of_rate_and_limit_holds),
        cmocka_unit_test(the_next_one_begins_after_hold_and_rate),
        cmocka_unit_test(requests_are_spaced_evenly),
        cmocka_unit_test(without_a_time_the_pause_doubles),
        cmocka_unit_test(what_it_asks_for_is_kept),
        cmocka_unit_test(the_rate_is_what_it_took),
        cmocka_unit_test(what_is_taken_raises_it),
        cmocka_unit_test(a_rate_is_forgotten_after_ten_minutes),
        cmocka_unit_test(origins_and_their_lanes_take_turns),
        cmocka_unit_test(what_is_forgotten_leaves_its_rings),
        cmocka_unit_test(the_oldest_that_is_not_in_hand_is_surplus),
        cmocka_unit_test(what_is_paused_is_marked),
    };
    return RUN_TESTS(tests);
}
