/* A wall clock that is set forward and back while deliveries wait: they still go out, none is tried
 * in a storm, none waits for as long as the clock was wrong. The linker has everybody ask this
 * clock. */
#include "rig.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

#define DAY_MS (86400 * 1000ll)

static _Atomic int64_t ahead_ms;

int64_t __real_clock_unix_ms(void);
int64_t __wrap_clock_unix_ms(void);

int64_t __wrap_clock_unix_ms(void)
{
    return __real_clock_unix_ms() + atomic_load(&ahead_ms);
}

int64_t __wrap_clock_ahead_ms(void);

int64_t __wrap_clock_ahead_ms(void) /* the same file's calls are not the linker's to turn */
{
    return __wrap_clock_unix_ms() - clock_monotonic_ms();
}

static void set_clock(int64_t by_ms)
{
    atomic_fetch_add(&ahead_ms, by_ms);
}

static int64_t now_ms(void)
{
    return __wrap_clock_unix_ms();
}

static const struct answer busy_then_ok[] = {{.bytes = BUSY}, {.bytes = OK}};
static const struct answer busy[] = {{.bytes = BUSY}};

static void start_woken(struct rig *rig, const char *options, const struct answer *answers,
                        size_t count)
{
    rig_start_with(rig, options, answers, count);
    rig_wake_on_change(rig);
}

static void a_retry_does_not_wait_for_a_clock_set_back(void **state)
{
    struct rig *rig = *state;
    start_woken(rig, "schedule = { '2s' }", busy_then_ok, 2);
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, STATE("attempts"), 1);
    set_clock(-DAY_MS);
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 2);
}

static void what_waits_for_the_day_after_next_still_does(void **state)
{
    struct rig *rig = *state;
    char sql[100];
    start_woken(rig, "schedule = { '2d' }", busy, 1);
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, STATE("attempts"), 1);
    set_clock(-DAY_MS);
    snprintf(sql, sizeof sql, STATE("due BETWEEN %lld AND %lld"),
             (long long)now_ms() + 2 * DAY_MS - 40000, (long long)now_ms() + 3 * DAY_MS - 60000);
    rig_run_until(rig, sql, 1);
    assert_int_equal(receiver_count(rig->receiver), 1);
}

/* Those that nobody has in hand yet were due, and are. */
static void a_backlog_does_not_wait_for_a_clock_set_back(void **state)
{
    struct rig *rig = *state;
    static const struct answer slow[] = {{.bytes = OK, .delay_ms = 5}};
    start_woken(rig, "max_per_origin = 1", slow, 1);
    rig_store(rig, 400);
    rig_run_until(rig, "SELECT count(*) < 400 FROM delivery", 1);
    set_clock(-DAY_MS);
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 400);
}

static void an_origin_left_alone_is_probed_after_a_clock_set_back(void **state)
{
    struct rig *rig = *state;
    start_woken(rig, "attempts = 9, breaker_failures = 1, breaker_pause = '2s'", busy_then_ok, 2);
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, "SELECT count(*) FROM held", 1);
    set_clock(-DAY_MS);
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 2);
}

static void a_clock_set_forward_makes_each_due_once(void **state)
{
    struct rig *rig = *state;
    start_woken(rig, "schedule = { '6h' }, attempts = 50, breaker_failures = 100000", busy, 1);
    for (int i = 0; i < 50; i++)
        rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, "SELECT min(attempts) FROM delivery", 1);
    set_clock(DAY_MS);
    rig_run_until(rig, "SELECT min(attempts) FROM delivery", 2);
    rig_run_for(rig, 1500);
    assert_int_equal(receiver_count(rig->receiver), 100);
    assert_int_equal(bench_query(rig->bench, "SELECT max(attempts) FROM delivery"), 2);
}

static void a_clock_set_back_while_no_server_ran_is_noticed(void **state)
{
    struct rig *rig = *state;
    start_woken(rig, "schedule = { '1h' }", busy_then_ok, 2);
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, STATE("attempts"), 1);
    rig_stop(rig);
    bench_close(rig->bench);
    set_clock(-DAY_MS);
    bench_open(rig->bench);
    char sql[100];
    snprintf(sql, sizeof sql, STATE("due BETWEEN %lld AND %lld AND created <= %lld"),
             (long long)now_ms(), (long long)now_ms() + 4000 * 1000, (long long)now_ms() + 1000);
    rig_run_until(rig, sql, 1);
}

static void the_clock_of_a_healthy_machine_changes_nothing(void **state)
{
    struct rig *rig = *state;
    start_woken(rig, "schedule = { '1h' }", busy, 1);
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, STATE("attempts"), 1);
    long long due = bench_query(rig->bench, STATE("due"));
    set_clock(-900); /* slewed */
    rig_run_for(rig, 1500);
    assert_int_equal(bench_query(rig->bench, STATE("due")), due);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_retry_does_not_wait_for_a_clock_set_back),
        RIG_TEST(what_waits_for_the_day_after_next_still_does),
        RIG_TEST(a_backlog_does_not_wait_for_a_clock_set_back),
        RIG_TEST(an_origin_left_alone_is_probed_after_a_clock_set_back),
        RIG_TEST(a_clock_set_forward_makes_each_due_once),
        RIG_TEST(a_clock_set_back_while_no_server_ran_is_noticed),
        RIG_TEST(the_clock_of_a_healthy_machine_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
