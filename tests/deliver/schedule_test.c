/* What may go next, and when: by a made-up clock (simulator.h), and call by call. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulator.h"

static int64_t schedule[] = {MINUTE, 10 * MINUTE};
static int64_t unreachable[] = {10 * SECOND, 30 * SECOND, MINUTE,     5 * MINUTE,
                                15 * MINUTE, 30 * MINUTE, 60 * MINUTE};
static const struct deliver_config config = {
    .max_in_flight = 100,
    .max_per_origin = 20,
    .retry = {.attempts = 3,
              .schedule_ms = schedule,
              .schedule_count = 2,
              .unreachable_ms = unreachable,
              .unreachable_count = 7},
    .breaker_failures = 10,
    .breaker_pause_ms = 5 * SECOND,
    .breaker_pause_max_ms = MINUTE,
    .gone_limit = 3,
};

/* ---- Flow control ---- */

static void check_storm(double per_second, int64_t takes_ms, int64_t retry_after_ms, size_t mails,
                        int64_t within_ms)
{
    struct sim_receiver r = {.url = "https://slow.example/hook",
                             .answer = sim_limited,
                             .takes_ms = takes_ms,
                             .per_second = per_second,
                             .retry_after_ms = retry_after_ms};
    struct sim *sim = sim_new(&config, &r, 1);
    sim_mail(sim, 0, mails, 1, 0);
    int64_t ended = sim_run(sim, 24 * HOUR);
    print_message("%4g/s, answers in %4d ms, Retry-After %2d s: %zu mails in %.1f s, %.3f requests "
                  "each\n",
                  per_second, (int)takes_ms, (int)(retry_after_ms / 1000), r.delivered,
                  (double)ended / 1000, (double)r.requests / (double)mails);
    assert_int_equal(r.delivered, mails);
    assert_int_equal(r.failed, 0);
    assert_in_range(ended, 0, within_ms);
    assert_in_range(r.requests, mails, mails + mails / 5);
    sim_free(sim);
}

static void a_receiver_of_5_a_second_gets_300_in_90_s(void **state)
{
    (void)state;
    for (int64_t takes_ms = 5; takes_ms <= 500; takes_ms *= 10) {
        check_storm(5, takes_ms, 0, 300, 90 * SECOND);
        check_storm(5, takes_ms, SECOND, 300, 90 * SECOND);
        check_storm(5, takes_ms, 5 * SECOND, 300, 90 * SECOND);
    }
}

static void other_receivers_are_sent_what_they_take(void **state)
{
    (void)state;
    check_storm(1, 50, SECOND, 300, 450 * SECOND);
    check_storm(20, 50, 0, 1200, 90 * SECOND);
    check_storm(50, 100, SECOND, 3000, 90 * SECOND);
    check_storm(0.5, 50, 2 * SECOND, 300, 800 * SECOND);
}

static struct job_terms terms_of(const char *url)
{
    return (struct job_terms){.url = url, .bytes = 1000};
}

static void what_is_paused_is_not_taken(void **state)
{
    const char *a = "https://a.example/hook", *b = "https://a.example/other";
    struct pause one = {.origin = origin_key(a), .lane = lane_key(a)},
                 all = {.origin = origin_key(a)};
    struct pauses of_one = {&one, 1}, of_all = {&all, 1};
    struct schedule *s = schedule_new(&config);
    struct job jobs[4];
    struct job_terms to_a = terms_of(a), to_b = terms_of(b);
    (void)state;
    assert_int_equal(schedule_put(s, &jobs[0], &to_a, 1), PUT_READY);
    assert_int_equal(schedule_put(s, &jobs[1], &to_a, 1), PUT_READY);
    assert_int_equal(schedule_put(s, &jobs[2], &to_b, 1), PUT_READY);
    assert_ptr_equal(schedule_next(s, 1), &jobs[0]);
    schedule_pauses(s, &of_one); /* what has begun ends, the other one is returned */
    assert_ptr_equal(schedule_returned(s), &jobs[1]);
    assert_null(schedule_returned(s));
    assert_int_equal(schedule_put(s, &jobs[3], &to_a, 1), PUT_HELD);
    assert_ptr_equal(schedule_next(s, 1), &jobs[2]);
    struct job_end end = {.class = RESULT_DELIVERED};
    schedule_ended(s, &jobs[0], &end, 2);
    schedule_ended(s, &jobs[2], &end, 2);
    schedule_pauses(s, &of_all);
    assert_int_equal(schedule_put(s, &jobs[2], &to_b, 3), PUT_HELD);
    to_b.url = "https://a.example/never-seen";
    assert_int_equal(schedule_put(s, &jobs[2], &to_b, 3), PUT_HELD);
    to_b.url = "https://b.example/";
    assert_int_equal(schedule_put(s, &jobs[2], &to_b, 3), PUT_READY);
    schedule_pauses(s, NULL);
    assert_int_equal(schedule_put(s, &jobs[0], &to_a, 4), PUT_READY);
    schedule_give_up(s);
    while (schedule_returned(s))
        continue;
    assert_int_equal(schedule_in_hand(s), 0);
    schedule_free(s);
}

static void flow_control_holds_the_destination_only(void **state)
{
    struct schedule *s = schedule_new(&config);
    struct job jobs[4];
    struct job_terms a = terms_of("https://x.example/a?1"), b = terms_of("https://x.example/b");
    struct job_end end = {.class = RESULT_SLOW_DOWN, .asked_ms = 60000, .elapsed_ms = 10};
    struct schedule_change change;
    (void)state;
    assert_int_equal(schedule_put(s, &jobs[0], &a, 1), PUT_READY);
    assert_int_equal(schedule_put(s, &jobs[1], &a, 1), PUT_READY);
    assert_ptr_equal(schedule_next(s, 1), &jobs[0]);
    schedule_ended(s, &jobs[0], &end, 11);
    assert_int_equal(end.opens_ms, 60011);
    assert_ptr_equal(schedule_returned(s), &jobs[1]); /* it waits in the spool */
    assert_null(schedule_returned(s));
    assert_true(schedule_change(s, &change));
    assert_int_equal(change.scope, CHANGE_LANE);
    assert_int_equal(change.what, CHANGE_SLOWED);
    assert_int_equal(change.until_ms, 60011);
    assert_string_equal(change.name, "https://x.example:443/a");
    assert_false(schedule_change(s, &change));
    a.url = "https://x.example/a?2"; /* another query is the same destination */
    assert_int_equal(schedule_put(s, &jobs[1], &a, 12), PUT_HELD);
    assert_int_equal(schedule_put(s, &jobs[2], &b, 12), PUT_READY);
    assert_ptr_equal(schedule_next(s, 12), &jobs[2]);
    schedule_cancel(s, &jobs[2]);
    assert_int_equal(schedule_put(s, &jobs[1], &a, 60011), PUT_READY);
    assert_ptr_equal(schedule_next(s, 60011), &jobs[1]);
    schedule_cancel(s, &jobs[1]);
    assert_int_equal(schedule_in_hand(s), 0);
    schedule_free(s);
}

/* ---- The operator's limits ---- */

static void a_rate_is_kept(void **state)
{
    struct sim_receiver r = {
        .url = "https://x.example/", .answer = sim_ok, .takes_ms = 20, .rate = 10};
    struct sim *sim = sim_new(&config, &r, 1);
    (void)state;
    sim_mail(sim, 0, 600, 1, 0);
    int64_t ended = sim_run(sim, HOUR);
    assert_int_equal(r.delivered, 600);
    assert_in_range(ended, 59 * SECOND, 63 * SECOND);
    sim_free(sim);
}

static void a_rate_is_shared_by_nodes(void **state)
{
    struct schedule *s = schedule_new(&config);
    struct job_terms terms = terms_of("https://x.example/");
    struct job one, two;
    (void)state;
    terms.rate = 10;
    schedule_share(s, 4); /* so this node has 2.5 a second */
    assert_int_equal(schedule_put(s, &one, &terms, 1000), PUT_READY);
    assert_int_equal(schedule_put(s, &two, &terms, 1000), PUT_READY);
    assert_ptr_equal(schedule_next(s, 1000), &one);
    assert_null(schedule_next(s, 1000));
    assert_int_equal(schedule_wake(s), 1400);
    assert_null(schedule_next(s, 1399));
    assert_ptr_equal(schedule_next(s, 1400), &two);
    schedule_cancel(s, &one);
    schedule_cancel(s, &two);
    schedule_free(s);
}

static void no_more_than_its_own_max_in_flight(void **state)
{
    struct sim_receiver r = {
        .url = "https://x.example/", .answer = sim_ok, .takes_ms = 100, .max_in_flight = 3};
    struct sim *sim = sim_new(&config, &r, 1);
    (void)state;
    sim_mail(sim, 0, 300, 1, 0);
    int64_t ended = sim_run(sim, HOUR);
    assert_int_equal(r.most, 3);
    assert_in_range(ended, 10 * SECOND, 11 * SECOND);
    sim_free(sim);
}

/* ---- One does not starve another ---- */

static void slow_ones_leave_room_for_a_fast_one(void **state)
{
    struct sim_receiver r[41] = {{0}};
    char urls[41][64];
    (void)state;
    for (int slow = 5; slow <= 40; slow += 35) {
        for (int i = 0; i <= slow; i++) {
            snprintf(urls[i], sizeof urls[i], "https://r%d.example/", i);
            r[i] = (struct sim_receiver){
                .url = urls[i], .answer = sim_ok, .takes_ms = i < slow ? 6 * SECOND : 10};
        }
        struct sim *sim = sim_new(&config, r, (size_t)slow + 1);
        for (int i = 0; i < slow; i++)
            sim_mail(sim, (size_t)i, 1000, 1, 0);
        sim_mail(sim, (size_t)slow, 100, MINUTE, 300);
        sim_run(sim, 5 * MINUTE);
        print_message("%d of 6 s: one of 10 ms waits %d ms at most\n", slow,
                      (int)r[slow].longest_ms);
        assert_int_equal(r[slow].delivered, 100);
        assert_in_range(r[slow].longest_ms, 0, 50);
        assert_in_range(sim_most_in_flight(sim), slow, 100);
        sim_free(sim);
    }
}

static void a_failing_url_holds_no_other_of_its_host(void **state)
{
    struct sim_receiver r[2] = {{.url = "https://x.example/a",
                                 .answer = sim_failing,
                                 .takes_ms = 20,
                                 .status = 500,
                                 .down_until_ms = 24 * HOUR},
                                {.url = "https://x.example/b", .answer = sim_ok, .takes_ms = 20}};
    (void)state;
    for (int status = 0; status <= 500; status += 500) {
        r[0].status = status;
        r[1].delivered = 0;
        struct sim *sim = sim_new(&config, r, 2);
        sim_mail(sim, 0, 25, 1, 0);
        sim_mail(sim, 1, 25, 100, 1000);
        sim_run(sim, HOUR);
        assert_int_equal(r[1].delivered, 25);
        assert_in_range(r[1].longest_ms, 20, 60);
        sim_free(sim);
    }
}

static void lanes_of_an_origin_take_turns(void **state)
{
    struct schedule *s = schedule_new(&config);
    struct job a[3], b;
    struct job_terms to_a = terms_of("https://x.example/a"), to_b = terms_of("https://x.example/b");
    (void)state;
    for (int i = 0; i < 3; i++)
        schedule_put(s, &a[i], &to_a, 1);
    schedule_put(s, &b, &to_b, 1);
    assert_ptr_equal(schedule_next(s, 1), &a[0]);
    assert_ptr_equal(schedule_next(s, 1), &b);
    assert_ptr_equal(schedule_next(s, 1), &a[1]);
    assert_ptr_equal(schedule_next(s, 1), &a[2]);
    schedule_cancel(s, &b);
    for (int i = 0; i < 3; i++)
        schedule_cancel(s, &a[i]);
    schedule_free(s);
}

/* ---- Breakers ---- */

static void a_weekend_s_outage_loses_nothing(void **state)
{
    struct sim_receiver r = {.url = "https://down.example/",
                             .answer = sim_down,
                             .takes_ms = 10,
                             .down_until_ms = 62 * HOUR};
    (void)state;
    for (size_t mails = 1; mails <= 100; mails += 99) {
        r.requests = r.delivered = 0;
        struct sim *sim = sim_new(&config, &r, 1);
        sim_mail(sim, 0, mails, 1, 30 * MINUTE);
        int64_t ended = sim_run(sim, 120 * HOUR);
        print_message("down for 62 h, %zu mails: %zu requests, the last delivered %.0f min after\n",
                      mails, r.requests, (double)(ended - 62 * HOUR) / MINUTE);
        assert_int_equal(r.delivered, mails);
        assert_in_range(ended, 62 * HOUR, 62 * HOUR + 70 * MINUTE);
        assert_in_range(r.requests, mails, 62 * 60 + mails);
        sim_free(sim);
    }
}

static void sent_and_unanswered_uses_up_the_attempts(void **state)
{
    struct sim_receiver r = {.url = "https://thinks.example/",
                             .answer = sim_failing,
                             .takes_ms = 30 * SECOND,
                             .down_until_ms = 24 * HOUR};
    struct sim *sim = sim_new(&config, &r, 1);
    (void)state;
    sim_mail(sim, 0, 1, 1, 0);
    sim_run(sim, 24 * HOUR);
    assert_int_equal(r.requests, 3);
    assert_int_equal(r.failed, 1);
    sim_free(sim);
}

static void an_origin_that_was_not_reached_is_probed_by_its_lanes_in_turns(void **state)
{
    struct schedule *s = schedule_new(&config);
    struct job job, other;
    struct job_terms a = terms_of("https://x.example/a"), b = terms_of("https://x.example/b");
    struct job_end end = {.class = RESULT_UNREACHED};
    struct schedule_change change;
    int64_t now = 1;
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(schedule_put(s, &job, &a, now), PUT_READY);
        assert_ptr_equal(schedule_next(s, now), &job);
        schedule_ended(s, &job, &end, ++now);
    }
    assert_true(schedule_change(s, &change));
    assert_int_equal(change.scope, CHANGE_ORIGIN);
    assert_int_equal(change.what, CHANGE_OPENED);
    assert_int_equal(change.most, 1);
    assert_int_equal(schedule_put(s, &job, &b, now), PUT_HELD);
    now = change.until_ms;
    assert_int_equal(schedule_put(s, &job, &b, now), PUT_READY); /* the probe */
    assert_int_equal(schedule_put(s, &other, &a, now), PUT_HELD);
    assert_ptr_equal(schedule_next(s, now), &job);
    end.class = RESULT_REFUSED; /* an answer is one */
    schedule_ended(s, &job, &end, now);
    assert_true(schedule_change(s, &change));
    assert_int_equal(change.what, CHANGE_CLOSED);
    assert_int_equal(schedule_put(s, &other, &a, now), PUT_READY);
    schedule_give_up(s);
    assert_ptr_equal(schedule_returned(s), &other);
    schedule_free(s);
}

static void several_410_hold_the_destination(void **state)
{
    struct schedule *s = schedule_new(&config);
    struct job job;
    struct job_terms a = terms_of("https://x.example/a");
    struct job_end end = {.class = RESULT_GONE};
    struct schedule_change change;
    (void)state;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(schedule_put(s, &job, &a, i), PUT_READY);
        assert_ptr_equal(schedule_next(s, i), &job);
        schedule_ended(s, &job, &end, i);
        assert_int_equal(schedule_change(s, &change), i == 3);
    }
    assert_int_equal(change.what, CHANGE_GONE);
    assert_int_equal(change.until_ms, 3 + HOUR);
    assert_int_equal(schedule_put(s, &job, &a, 4), PUT_HELD);
    assert_int_equal(schedule_put(s, &job, &a, 3 + HOUR), PUT_READY);
    assert_ptr_equal(schedule_next(s, 3 + HOUR), &job);
    end.class = RESULT_DELIVERED;
    schedule_ended(s, &job, &end, 4 + HOUR);
    assert_true(schedule_change(s, &change));
    assert_int_equal(change.what, CHANGE_CLOSED);
    schedule_free(s);
}

/* ---- What is remembered ---- */

static void no_more_lanes_are_remembered_than_the_most(void **state)
{
    struct schedule *s = schedule_new(&config);
    struct job job;
    struct job_end end = {.class = RESULT_SLOW_DOWN, .asked_ms = HOUR};
    struct schedule_change change;
    size_t held = 0, freed = 0;
    char url[64];
    (void)state;
    for (int i = 0; i < 10010; i++) {
        snprintf(url, sizeof url, "https://x.example/%d", i);
        struct job_terms terms = terms_of(url);
        assert_int_equal(schedule_put(s, &job, &terms, 1), PUT_READY);
        assert_ptr_equal(schedule_next(s, 1), &job);
        schedule_ended(s, &job, &end, 1);
        while (schedule_change(s, &change)) {
            held += change.what == CHANGE_SLOWED;
            freed += change.what == CHANGE_FREE;
        }
    }
    assert_int_equal(held, 10010);
    assert_int_equal(freed, 10);
    struct job_terms first = terms_of("https://x.example/0");
    struct job_terms last = terms_of("https://x.example/10009");
    assert_int_equal(schedule_put(s, &job, &last, 1), PUT_HELD);
    assert_int_equal(schedule_put(s, &job, &first, 1), PUT_READY); /* forgotten */
    schedule_give_up(s);
    assert_non_null(schedule_returned(s));
    schedule_free(s);
}

static void the_hand_is_bounded(void **state)
{
    struct schedule *s = schedule_new(&config);
    static struct job jobs[2000];
    char url[64];
    size_t ready = 0, big = 0;
    (void)state;
    for (int i = 0; i < 2000; i++) {
        snprintf(url, sizeof url, "https://x%d.example/", i % 4);
        struct job_terms terms = terms_of(url);
        ready += schedule_put(s, &jobs[i], &terms, 1) == PUT_READY;
    }
    assert_in_range(ready, 600, 900);
    assert_int_equal(schedule_in_hand(s), ready);
    assert_true(schedule_room(s).jobs > 0); /* for a newcomer */
    schedule_give_up(s);
    while (schedule_returned(s))
        continue;
    for (int i = 0; i < 100; i++) {
        struct job_terms terms = {.url = "https://big.example/", .bytes = SCHEDULE_HAND_BYTES / 8};
        big += schedule_put(s, &jobs[i], &terms, 1) == PUT_READY;
    }
    assert_int_equal(big, 4); /* half of it */
    schedule_give_up(s);
    while (schedule_returned(s))
        continue;
    assert_int_equal(schedule_in_hand(s), 0);
    schedule_free(s);
}

/* ---- A day of storms ---- */

/* Every receiver has outages, failures, limits or slow hours of its own. */
static void weather(struct sim_receiver *r, int64_t now_ms, struct attempt_result *result)
{
    unsigned hour = (unsigned)(now_ms / HOUR) + r->random;
    r->takes_ms = hour % 7 == 1 ? 5 * SECOND : 50;
    switch (hour % 5) {
    case 1: result->status = 0; break; /* not reached */
    case 2: sim_limited(r, now_ms, result); break;
    case 3: result->status = now_ms % 3 ? 200 : 500; break;
    default: result->status = 200;
    }
    result->sent = hour % 5 != 1;
}

static void a_day_of_storms_loses_nothing(void **state)
{
    enum { COUNT = 40, MAILS = 240 };
    static struct sim_receiver r[COUNT];
    char urls[COUNT][64];
    size_t delivered = 0, failed = 0, requests = 0;
    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(urls[i], sizeof urls[i], "https://r%u.example/%u", i / 2, i);
        r[i] = (struct sim_receiver){.url = urls[i],
                                     .answer = weather,
                                     .takes_ms = 50,
                                     .per_second = 0.2 + i % 3,
                                     .random = i * 7 / 2};
    }
    struct sim *sim = sim_new(&config, r, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        sim_mail(sim, i, MAILS, 1 + (int64_t)i * 997, 6 * MINUTE);
    int64_t ended = sim_run(sim, 48 * HOUR);
    for (size_t i = 0; i < COUNT; i++) {
        delivered += r[i].delivered;
        failed += r[i].failed;
        requests += r[i].requests;
        assert_in_range(r[i].most, 0, 20);
    }
    print_message("%d mails of a day: %zu delivered, %zu failed, %zu requests, %.1f h\n",
                  COUNT * MAILS, delivered, failed, requests, (double)ended / HOUR);
    assert_int_equal(sim_waiting(sim), 0);
    assert_int_equal(delivered + failed, COUNT * MAILS);
    assert_in_range(failed, 0, COUNT * MAILS / 20); /* those that got 500 three times */
    assert_in_range(ended, 23 * HOUR, 27 * HOUR);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receiver_of_5_a_second_gets_300_in_90_s),
        cmocka_unit_test(other_receivers_are_sent_what_they_take),
        cmocka_unit_test(flow_control_holds_the_destination_only),
        cmocka_unit_test(what_is_paused_is_not_taken),
        cmocka_unit_test(a_rate_is_kept),
        cmocka_unit_test(a_rate_is_shared_by_nodes),
        cmocka_unit_test(no_more_than_its_own_max_in_flight),
        cmocka_unit_test(slow_ones_leave_room_for_a_fast_one),
        cmocka_unit_test(a_failing_url_holds_no_other_of_its_host),
        cmocka_unit_test(lanes_of_an_origin_take_turns),
        cmocka_unit_test(a_weekend_s_outage_loses_nothing),
        cmocka_unit_test(sent_and_unanswered_uses_up_the_attempts),
        cmocka_unit_test(an_origin_that_was_not_reached_is_probed_by_its_lanes_in_turns),
        cmocka_unit_test(several_410_hold_the_destination),
        cmocka_unit_test(no_more_lanes_are_remembered_than_the_most),
        cmocka_unit_test(the_hand_is_bounded),
        cmocka_unit_test(a_day_of_storms_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
