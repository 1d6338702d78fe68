/*
 * Each call of SQLite fails once, wherever it is made: what a server hands in is stored or told, and the next try finds the
 * database as though nothing had been.
 */
#include "../captured_log.h"
#include "../failing_sqlite.h"
#include "opened_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define URL     "https://hooks.example.com/in"
#define OTHER   "https://other.example/"
#define COUNT   "SELECT count(*) FROM delivery"
#define LOOKS   200 /* more calls than any of these makes */
#define HOUR_MS 3600000

/* ---- Opening ---- */

static void an_open_is_whole_or_fails(void **state)
{
    struct bench *bench = *state;
    bool failed = true;
    bench_store(bench, "m-1", URL, "x");
    bench_close(bench);
    for (int made = 1; made >= 0; made--) { /* what is there, and a new one */
        failed = true;
        for (long i = 0; failed; i++) {
            struct store *store = NULL;
            struct error err = {""};
            char command[128];
            snprintf(command, sizeof command, "rm -f '%s/spool.db'*", bench->directory);
            assert_true(i < LOOKS);
            if (!made)
                assert_int_equal(system(command), 0);
            sqlite_fails_after(i, NULL, false);
            int code = sqlite_ops.open(&bench->config, &store, &err);
            failed = sqlite_has_failed();
            assert_int_equal(code, failed ? -EIO : 0);
            assert_int_equal(err.text[0] != 0, failed);
            if (code == 0)
                sqlite_ops.close(store);
        }
    }
}

static struct delivery *two_of_one_payload(void)
{
    struct payload *payload = payload_new(spill_from_bytes("{", 1), spill_from_bytes("}", 1));
    struct delivery *d = bench_delivery_of("m-1", URL, payload);
    d->next = bench_delivery_of("m-2", OTHER, payload);
    payload_free(payload);
    return d;
}

static bool commit_once(struct bench *bench, long granted, bool lasting, bool lease)
{
    struct sqlite_store *s = open_store(bench);
    struct delivery *list = two_of_one_payload();
    struct commit commit = {.deliveries = list, .lease = lease};
    struct store_work work = {.commits = &commit};
    sqlite_fails_after(granted, NULL, lasting);
    sqlite_ops.apply(&s->store, &work);
    bool failed = sqlite_has_failed();
    assert_true(commit.status == 0 || (failed && commit.status == -EIO));
    for (int again = 0; again < 2; again++) {
        bool stored = commit.status == 0;
        assert_int_equal(bench_query(bench, COUNT), stored ? 2 : 0);
        assert_int_equal(bench_query(bench, "SELECT count(*) FROM tail"), stored);
        assert_int_equal(work.due, stored && !lease);
        assert_int_equal(s->leases.rows.count, stored && lease ? 2 : 0);
        assert_int_equal(s->in_trouble, !stored);
        if (stored)
            break;
        commit.status = 0;
        sqlite_ops.apply(&s->store, &work);
        assert_int_equal(commit.status, 0);
    }
    bench_free_all(list);
    close_store(s);
    bench_run_sql(bench, "DELETE FROM delivery; DELETE FROM payload; DELETE FROM tail");
    return failed;
}

static void a_commit_is_stored_or_told(void **state)
{
    struct bench *bench = *state;
    bench_close(bench);
    for (int way = 0; way < 4; way++)
        for (long i = 0; commit_once(bench, i, way & 1, way & 2); i++)
            assert_true(i < LOOKS);
}

/* ---- Ends of attempts ---- */

static const char *const is_stored[] = {
    [ENDED_DELIVERED] = "SELECT NOT EXISTS (SELECT 1 FROM delivery) AND NOT EXISTS (SELECT 1 FROM "
                        "payload) AND NOT EXISTS "
                        "(SELECT 1 FROM tail)",
    [ENDED_RETRY] = COUNT
    " WHERE attempts = 1 AND due = 5 AND last_error = 'broken' AND EXISTS (SELECT 1 FROM attempt)",
    [ENDED_FAILED] = COUNT " WHERE id = 'm-1' AND attempts = 1 AND due IS NULL AND EXISTS (SELECT "
                           "1 FROM delivery WHERE id = "
                           "'n-1') AND EXISTS (SELECT 1 FROM attempt)",
};

static struct delivery *ended(const char *id, enum ending ending, struct payload *payload)
{
    struct delivery *d = bench_delivery_of(id, URL, payload);
    d->stored->ending = ending;
    d->last_error = ending == ENDED_DELIVERED ? "" : "broken";
    d->last_at_ms = ending == ENDED_DELIVERED ? 0 : 7;
    if (ending == ENDED_FAILED)
        d->notice = bench_delivery("n-1", OTHER, "y");
    return d;
}

/* Stores it leased, as a server that attempts it at once. */
static void store_leased(struct sqlite_store *s, struct delivery *list)
{
    struct commit commit = {.deliveries = list, .lease = true};
    struct store_work work = {.commits = &commit};
    sqlite_ops.apply(&s->store, &work);
    assert_int_equal(commit.status, 0);
}

static bool end_once(struct bench *bench, enum ending ending, long granted, bool lasting)
{
    struct sqlite_store *s = open_store(bench);
    struct payload *payload = payload_new(spill_from_bytes("{", 1), spill_from_bytes("}", 1));
    struct delivery *d = ended("m-1", ending, payload);
    payload_free(payload);
    store_leased(s, d);
    d->attempts = 1;
    d->due_ms = 5;
    struct store_work work = {.ends = d};
    sqlite_fails_after(granted, NULL, lasting);
    sqlite_ops.apply(&s->store, &work);
    bool failed = sqlite_has_failed();
    assert_true(!work.ends || failed);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(bench_query(bench, is_stored[ending]), !work.ends);
        assert_int_equal(s->leases.rows.count, work.ends ? 1 : 0);
        assert_int_equal(s->in_trouble, work.ends != NULL);
        assert_true(work.done == (work.ends ? NULL : d));
        assert_int_equal(work.due, !work.ends && ending != ENDED_DELIVERED);
        if (!work.ends)
            break;
        sqlite_ops.apply(&s->store, &work);
        assert_null(work.ends);
    }
    delivery_free(d);
    close_store(s);
    bench_run_sql(
        bench, "DELETE FROM delivery; DELETE FROM payload; DELETE FROM tail; DELETE FROM attempt");
    return failed;
}

static void an_end_is_stored_or_stays(void **state)
{
    struct bench *bench = *state;
    bench_close(bench);
    for (enum ending ending = ENDED_DELIVERED; ending <= ENDED_FAILED; ending++)
        for (int lasting = 0; lasting < 2; lasting++)
            for (long i = 0; end_once(bench, ending, i, lasting); i++)
                assert_true(i < LOOKS);
}

/* What fails by itself alone takes nothing with it: of three commits the one with a tail, of three ends the one that failed. */
static void one_that_fails_alone_takes_no_other_with_it(void **state)
{
    struct bench *bench = *state;
    bench_close(bench);
    struct sqlite_store *s = open_store(bench);
    struct delivery *lists[] = {bench_delivery("a-1", URL, "x"), two_of_one_payload(),
                                bench_delivery("a-2", URL, "x")};
    struct commit commits[3];
    for (int i = 0; i < 3; i++)
        commits[i] = (struct commit){
            .deliveries = lists[i], .lease = true, .next = i < 2 ? &commits[i + 1] : NULL};
    struct store_work work = {.commits = commits};
    sqlite_fails_after(0, "INSERT INTO tail", true);
    sqlite_ops.apply(&s->store, &work);
    assert_true(sqlite_has_failed());
    assert_int_equal(commits[0].status, 0);
    assert_int_equal(commits[1].status, -EIO);
    assert_int_equal(commits[2].status, 0);
    assert_int_equal(bench_query(bench, COUNT), 2);
    assert_int_equal(bench_query(bench, COUNT " WHERE id IN ('a-1', 'a-2')"), 2);
    assert_int_equal(s->leases.rows.count, 2);
    assert_false(s->in_trouble);

    struct payload *payload = payload_new(spill_from_bytes("{", 1), NULL);
    struct delivery *failing = ended("a-3", ENDED_RETRY, payload);
    payload_free(payload);
    store_leased(s, failing);
    lists[0]->next = failing;
    failing->next = lists[2];
    failing->attempts = 1;
    lists[0]->stored->ending = lists[2]->stored->ending = ENDED_DELIVERED;
    work = (struct store_work){.ends = lists[0]};
    sqlite_fails_after(0, "INSERT OR REPLACE INTO attempt", true);
    CAPTURE(sqlite_ops.apply(&s->store, &work));
    assert_true(sqlite_has_failed());
    assert_int_equal(captured_lines("spool-failed id=a-3 at=\"the end of an attempt\""), 1);
    assert_int_equal(captured_lines("spool-"), 1);
    assert_null(work.ends);
    assert_int_equal(bench_query(bench, COUNT), 1);
    assert_int_equal(bench_query(bench, COUNT " WHERE id = 'a-3' AND attempts = 0"), 1);
    assert_int_equal(s->leases.rows.count, 0); /* it is claimed again */
    bench_free_all(work.done);
    bench_free_all(lists[1]);
    close_store(s);
}

/* ---- Claims ---- */

static size_t claim(struct sqlite_store *s, struct claim *claim)
{
    size_t count = 0;
    *claim = (struct claim){.limit = 10, .per_origin = 10, .bytes = 1 << 20};
    sqlite_ops.claim(&s->store, claim);
    for (struct delivery *d = claim->deliveries; d; d = d->next)
        count++;
    return count;
}

/* What a claim does not bring is looked for again within five seconds; or at once, when another process has written. */
static void what_a_claim_does_not_bring_the_next_one_does(void **state)
{
    struct bench *bench = *state;
    bool failed = true;
    struct delivery *list = two_of_one_payload();
    list->next->next = bench_delivery("m-3", URL, "x");
    assert_int_equal(bench_commit(bench, list, false), 0);
    bench_free_all(list);
    bench_close(bench);
    for (long i = 0; failed; i++) {
        struct sqlite_store *s = open_store(bench);
        struct claim first, second;
        assert_true(i < LOOKS);
        int64_t now = clock_unix_ms();
        sqlite_fails_after(i, NULL, false);
        size_t count = claim(s, &first);
        failed = sqlite_has_failed();
        int64_t after = clock_unix_ms();
        assert_int_equal(s->leases.rows.count, count);
        assert_int_equal(count == 3, !failed);
        assert_false(first.more);
        if (failed)
            assert_in_range(first.next_due_ms, now + 5000, after + 5000);
        bench_run_sql(bench, "UPDATE delivery SET last_status = last_status + 1");
        assert_true(sqlite_ops.tidy(&s->store));
        assert_int_equal(claim(s, &second), 3 - count);
        bench_free_all(first.deliveries);
        bench_free_all(second.deliveries);
        close_store(s);
    }
}

/* What it carries is gone: it fails; where that cannot be stored it stays leased, and is not claimed again and again. */
static void what_is_lost_fails_or_stays_leased(void **state)
{
    struct bench *bench = *state;
    static const char *const parts[] = {"BEGIN", "UPDATE delivery SET due = NULL", "COMMIT",
                                        "none"};
    bench_store(bench, "m-1", URL, "x");
    bench_run_sql(bench, "DELETE FROM payload");
    bench_close(bench);
    for (int i = 0; i < 4; i++) {
        struct sqlite_store *s = open_store(bench);
        struct claim none;
        sqlite_fails_after(0, parts[i], false);
        assert_int_equal(claim(s, &none), 0);
        assert_int_equal(sqlite_has_failed(), i < 3);
        assert_int_equal(s->leases.rows.count, i < 3 ? 1 : 0);
        assert_int_equal(
            bench_query(bench,
                        COUNT " WHERE due IS NULL AND last_error = 'its payload is missing'"),
            i == 3);
        struct hold hold = {.origin = 7, .lane = 9, .held = {.until_ms = INT64_MAX / 2, .most = 1}};
        sqlite_ops.hold(&s->store, &hold); /* a transaction of its own can begin */
        assert_int_equal(bench_query(bench, "SELECT count(*) FROM held"), 1);
        close_store(s);
    }
}

/* ---- Once a second, and what is held ---- */

static void a_hold_holds_whether_or_not_it_is_written_down(void **state)
{
    struct bench *bench = *state;
    bool failed = true;
    bench_close(bench);
    for (long i = 0; failed; i++) {
        struct sqlite_store *s = open_store(bench);
        struct hold hold = {
            .origin = 7, .lane = 9, .held = {.until_ms = INT64_MAX / 2, .most = 1, .failures = 3}};
        assert_true(i < LOOKS);
        sqlite_fails_after(i, NULL, false);
        sqlite_ops.hold(&s->store, &hold);
        failed = sqlite_has_failed();
        assert_int_equal(bench_query(bench, "SELECT count(*) FROM held"), !failed);
        assert_true(leases_lane(&s->leases, 9)->hold.until_ms == hold.held.until_ms);
        sqlite_ops.hold(&s->store, &hold);
        assert_int_equal(
            bench_query(bench,
                        "SELECT count(*) FROM held WHERE failures = 3 AND lane = 9 AND origin = 7"),
            1);
        hold.held.until_ms = hold.held.most = 0;
        sqlite_ops.hold(&s->store, &hold);
        assert_int_equal(bench_query(bench, "SELECT count(*) FROM held"), 0);
        close_store(s);
    }
}

static struct delivery *notice_of(void *context, const struct delivery *failed)
{
    (void)context;
    assert_string_equal(failed->id, "m-1");
    return bench_delivery("n-1", OTHER, "y");
}

/* Too old, failed too long ago, and accepted in a time that has not come: done in this look or, where a call failed, in the next
 * one, and never by half. */
static void what_one_look_leaves_the_next_one_does(void **state)
{
    struct bench *bench = *state;
    static const struct give_up_hook hook = {.notice = notice_of};
    bool failed = true;
    char sql[512];
    bench_close(bench);
    for (long i = 0; failed; i++) {
        assert_true(i < LOOKS);
        struct sqlite_store *s = open_store(bench);
        struct delivery *list = bench_delivery("m-1", URL, "x");
        list->next = bench_delivery("m-2", URL, "x");
        list->next->next = bench_delivery("m-3", URL, "x");
        store_leased(s, list);
        bench_free_all(list);
        close_store(s);
        int64_t now = clock_unix_ms();
        snprintf(
            sql, sizeof sql,
            "UPDATE delivery SET due = %lld, created = %lld WHERE id = 'm-1'; UPDATE delivery SET "
            "due = NULL, created = %lld "
            "WHERE id = 'm-2'; UPDATE delivery SET due = %lld, created = %lld WHERE id = 'm-3'",
            (long long)now - HOUR_MS, (long long)now - HOUR_MS, (long long)now - 2 * HOUR_MS,
            (long long)now + 2 * HOUR_MS, (long long)now + HOUR_MS);
        bench_run_sql(bench, sql);
        s = open_store(bench);
        s->upkeep.max_age_ms = HOUR_MS / 2;
        s->upkeep.keep_failed_ms = HOUR_MS + HOUR_MS / 2;
        sqlite_ops.on_give_up(&s->store, &hook);
        sqlite_fails_after(i, NULL, false);
        bool due = sqlite_ops.tidy(&s->store);
        failed = sqlite_has_failed();
        long long gave_up = bench_query(bench, COUNT " WHERE id = 'm-1' AND due IS NULL");
        assert_int_equal(bench_query(bench, COUNT " WHERE id = 'n-1'"), gave_up);
        assert_true(due || failed);
        for (int look = 0; look < 2; look++) {
            s->upkeep.look_due = 0;
            sqlite_ops.tidy(&s->store);
        }
        assert_int_equal(bench_query(bench, COUNT " WHERE id = 'n-1'"), 1);
        assert_int_equal(bench_query(bench, COUNT " WHERE id = 'm-2'"), 0);
        snprintf(
            sql, sizeof sql,
            COUNT
            " WHERE id = 'm-3' AND due BETWEEN %lld AND %lld AND created BETWEEN %lld AND %lld",
            (long long)now + HOUR_MS, (long long)now + HOUR_MS + 60000, (long long)now,
            (long long)now + 60000);
        assert_int_equal(bench_query(bench, sql), 1);
        struct claim rest; /* the notice alone is due */
        assert_int_equal(claim(s, &rest), 1);
        bench_free_all(rest.deliveries);
        close_store(s);
        bench_run_sql(bench, "DELETE FROM delivery; DELETE FROM payload");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_open_is_whole_or_fails),
        TEST(a_commit_is_stored_or_told),
        TEST(an_end_is_stored_or_stays),
        TEST(one_that_fails_alone_takes_no_other_with_it),
        TEST(what_a_claim_does_not_bring_the_next_one_does),
        TEST(what_is_lost_fails_or_stays_leased),
        TEST(a_hold_holds_whether_or_not_it_is_written_down),
        TEST(what_one_look_leaves_the_next_one_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
