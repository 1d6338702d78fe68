/* Destinations that are paused: the set, what can be named, and what a spool claims meanwhile. */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "spool/pauses.h"

#define A "https://hooks.example.com/a"
#define B "https://hooks.example.com/b"

static void what_can_be_paused(void **state)
{
    static const struct {
        const char *text, *name;
        bool origin, whole; /* asked for; what it comes to */
    } cases[] = {
        {"https://u:p@Hooks.example.com/a?key=1#x", "https://hooks.example.com:443/a", false,
         false},
        {"https://hooks.example.com", "https://hooks.example.com:443/", false, false},
        {"http://[::1]:8080/x", "http://[::1]:8080", true, true},
        {"mx:Example.NET", "mx:example.net", false, true},
        {"smtp://relay.example", "smtp://relay.example:25", false, true},
        {"boss@example.net", NULL, false, false},
        {"HTTPS://A.Example/X?k=1", "https://a.example:443/X", false, false},
        {"SMTP://Relay.Example", "smtp://relay.example:25", false, true},
        {"MX:example.net", "mx:example.net", false, true},
        {"http://a@b@host/", NULL, false, false},
        {"http://host/a@b@c", "http://host:80/a@b@c", false, false},
        {"mx:", NULL, false, false},
        {"ftp://a.example/", NULL, false, false},
        {"hooks.example.com/a", NULL, false, false},
        {"https:///a", NULL, false, false},
        {"", NULL, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pause pause;
        struct error err = {""};
        int code = pause_named(cases[i].text, cases[i].origin, "why", &pause, &err);
        assert_int_equal(code, cases[i].name ? 0 : -EINVAL);
        if (!cases[i].name) {
            assert_string_not_equal(err.text, "");
            continue;
        }
        assert_string_equal(pause.name, cases[i].name);
        assert_string_equal(pause.reason, "why");
        assert_int_equal(pause.lane == 0, cases[i].whole);
        assert_true(pause.origin == origin_key(cases[i].text));
    }
}

static void a_reason_has_a_greatest_length(void **state)
{
    char reason[PAUSE_REASON_SIZE + 1];
    struct pause pause;
    struct error err;
    (void)state;
    memset(reason, 'x', sizeof reason);
    reason[PAUSE_REASON_SIZE] = 0;
    assert_int_equal(pause_named(A, false, reason, &pause, &err), -EINVAL);
    reason[PAUSE_REASON_SIZE - 1] = 0;
    assert_int_equal(pause_named(A, false, reason, &pause, &err), 0);
    assert_string_equal(pause.reason, reason);
}

static void a_set_finds_what_is_in_it(void **state)
{
    struct pauses pauses = {0}, copy;
    struct pause pause = {.reason = "first"};
    (void)state;
    assert_null(pauses_find(NULL, 1, 1));
    assert_null(pauses_find(&pauses, 1, 1));
    for (uint64_t i = 0; i < PAUSES_MAX; i++) {
        pause.origin = i % 2 ? i : PAUSES_MAX - 2 - i;
        pause.lane = i % 2 ? i + 1 : 0;
        assert_int_equal(pauses_add(&pauses, &pause), 0);
    }
    for (uint64_t i = 0; i < PAUSES_MAX; i++) {
        uint64_t origin = i % 2 ? i : PAUSES_MAX - 2 - i;
        assert_non_null(pauses_find(&pauses, origin, i + 1));
        assert_true(!pauses_find(&pauses, origin, PAUSES_MAX + 9) == (i % 2 == 1));
        assert_true(!pauses_exact(&pauses, origin, i + 1) == (i % 2 == 0));
    }
    strcpy(pause.reason, "second");
    assert_int_equal(pauses_add(&pauses, &pause), 0); /* replaces */
    assert_string_equal(pauses_exact(&pauses, pause.origin, pause.lane)->reason, "second");
    assert_int_equal(pauses_copy(&copy, &pauses), 0);
    assert_true(pauses_equal(&copy, &pauses));
    strcpy(copy.list[3].reason, "another");
    assert_false(pauses_equal(&copy, &pauses));
    pause.origin = PAUSES_MAX + 1;
    assert_int_equal(pauses_add(&pauses, &pause), -E2BIG);
    pauses_free(&copy);
    pauses_free(&pauses);
    assert_int_equal(pauses.count, 0);
}

/* ---- In a spool ---- */

static struct queue *visit(const struct bench *bench)
{
    struct queue *queue;
    struct error err;
    assert_int_equal(queue_open(&bench->config, &queue, &err), 0);
    return queue;
}

struct heard {
    size_t count;
    int changed; /* to `wanted` */
    size_t wanted;
};

static void hear(void *context, const struct pauses *pauses)
{
    struct heard *heard = context;
    heard->count = pauses->count;
    heard->changed |= heard->count == heard->wanted;
}

static void pause_url(const struct bench *bench, const char *url, bool origin)
{
    struct queue *queue = visit(bench);
    struct error err;
    assert_int_equal(queue_pause(queue, url, origin, "maintenance", NULL, &err), 0);
    queue_close(queue);
}

static void resume_url(const struct bench *bench, const char *url, bool origin)
{
    struct queue *queue = visit(bench);
    struct error err;
    assert_int_equal(queue_resume(queue, url, origin, NULL, &err), 0);
    assert_int_equal(queue_resume(queue, url, origin, NULL, &err), -ENOENT);
    queue_close(queue);
}

/* How many are claimed; they are released again. */
static size_t claimable(struct bench *bench)
{
    struct claim claim = {0};
    size_t count = 0;
    bench_claim(bench, &claim, 10, 10);
    for (struct delivery *d = claim.deliveries, *next; d; d = next, count++) {
        next = d->next;
        spool_release(bench->spool, d);
    }
    assert_false(count == 0 && claim.more);
    return count;
}

static void wait_heard(struct bench *bench, struct heard *heard, size_t count)
{
    heard->wanted = count;
    heard->changed = heard->count == count;
    bench_wait(bench, &heard->changed);
}

static void nothing_that_is_paused_is_claimed(void **state)
{
    struct bench *bench = *state;
    struct heard heard = {0};
    spool_on_pauses(bench->spool, hear, &heard);
    assert_int_equal(heard.count, 0);
    bench_store(bench, "a", A, "x");
    bench_store(bench, "b", B "?key=1", "x");
    pause_url(bench, B, false);
    wait_heard(bench, &heard, 1);
    assert_int_equal(claimable(bench), 1);
    bench_store(bench, "b2", B, "x"); /* new mail waits */
    assert_int_equal(claimable(bench), 1);
    pause_url(bench, A, true); /* all of the origin */
    wait_heard(bench, &heard, 2);
    assert_int_equal(claimable(bench), 0);
    resume_url(bench, A, true);
    wait_heard(bench, &heard, 1);
    assert_int_equal(claimable(bench), 1);
    resume_url(bench, B, false);
    wait_heard(bench, &heard, 0);
    assert_int_equal(claimable(bench), 3);
    spool_on_pauses(bench->spool, NULL, NULL);
}

static void a_pause_is_kept_over_a_restart(void **state)
{
    struct bench *bench = *state;
    struct heard heard = {0};
    pause_url(bench, A, false);
    bench_close(bench);
    bench_open(bench);
    spool_on_pauses(bench->spool, hear, &heard); /* from the beginning */
    assert_int_equal(heard.count, 1);
    bench_store(bench, "a", A, "x");
    bench_store(bench, "b", B, "x");
    assert_int_equal(claimable(bench), 1);
    spool_on_pauses(bench->spool, NULL, NULL);
}

static void what_is_paused_is_listed_with_what_waits(void **state)
{
    struct bench *bench = *state;
    struct pauses pauses = {0};
    struct error err;
    bench_store(bench, "a", A, "x");
    bench_store(bench, "b", B, "x");
    bench_store(bench, "b2", B, "x");
    pause_url(bench, B, false);
    pause_url(bench, B, true);
    struct queue *queue = visit(bench);
    assert_int_equal(queue_pauses(queue, true, &pauses, &err), 0);
    assert_int_equal(pauses.count, 2);
    assert_int_equal(pauses_exact(&pauses, origin_key(B), 0)->waiting, 3);
    assert_int_equal(pauses_exact(&pauses, origin_key(B), lane_key(B))->waiting, 2);
    assert_string_equal(pauses.list[0].reason, "maintenance");
    assert_true(pauses.list[0].since_ms > 0);
    pauses_free(&pauses);
    queue_close(queue);
}

static void no_more_can_be_paused_than_the_most(void **state)
{
    struct bench *bench = *state;
    struct error err;
    char sql[200];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO paused SELECT i, 0, 'x', '', 1 FROM n",
             PAUSES_MAX - 1);
    bench_run_sql(bench, sql);
    pause_url(bench, A, false);
    struct queue *queue = visit(bench);
    assert_int_equal(queue_pause(queue, B, false, NULL, NULL, &err), -E2BIG);
    assert_int_equal(queue_pause(queue, A, false, "another reason", NULL, &err), 0);
    assert_int_equal(queue_resume(queue, A, false, NULL, &err), 0);
    assert_int_equal(queue_pause(queue, B, false, NULL, NULL, &err), 0);
    queue_close(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_paused),
        cmocka_unit_test(a_reason_has_a_greatest_length),
        cmocka_unit_test(a_set_finds_what_is_in_it),
        cmocka_unit_test_setup_teardown(nothing_that_is_paused_is_claimed, bench_set_up,
                                        bench_tear_down),
        cmocka_unit_test_setup_teardown(a_pause_is_kept_over_a_restart, bench_set_up,
                                        bench_tear_down),
        cmocka_unit_test_setup_teardown(what_is_paused_is_listed_with_what_waits, bench_set_up,
                                        bench_tear_down),
        cmocka_unit_test_setup_teardown(no_more_can_be_paused_than_the_most, bench_set_up,
                                        bench_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
