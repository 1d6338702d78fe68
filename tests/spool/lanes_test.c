/* Claims and holds by lane, and a spool that an older mxhook left. */
#include "bench.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "spool/origin.h"

#define A "https://hooks.example.com/a"
#define B "https://hooks.example.com/b"

static void store_many(struct bench *bench, const char *url, int count)
{
    struct delivery *first = NULL;
    char id[ID_SIZE];
    for (int i = 0; i < count; i++) {
        snprintf(id, sizeof id, "%c-%d", url[strlen(url) - 1], i);
        struct delivery *d = bench_delivery(id, url, "x");
        d->next = first;
        first = d;
    }
    assert_int_equal(bench_commit(bench, first, false), 0);
    bench_free_all(first);
}

static void release_all(struct bench *bench, struct delivery *deliveries)
{
    for (struct delivery *next; deliveries; deliveries = next) {
        next = deliveries->next;
        spool_release(bench->spool, deliveries);
    }
}

static size_t count_of(const struct delivery *deliveries, const char *url)
{
    size_t count = 0;
    for (; deliveries; deliveries = deliveries->next)
        count += strcmp(deliveries->destination.url, url) == 0;
    return count;
}

static void hold(struct bench *bench, const char *url, int64_t until_ms, unsigned most)
{
    struct held held = {.scope = HELD_LANE, .until_ms = until_ms, .most = most, .failures = 3};
    snprintf(held.origin, sizeof held.origin, "%s", url);
    assert_int_equal(spool_hold(bench->spool, url, &held), 0);
}

static void a_lane_is_origin_and_path(void **state)
{
    (void)state;
    assert_true(lane_key(A) == lane_key("HTTPS://user:x@Hooks.example.com:443/a?b=c#d"));
    assert_true(lane_key("https://a.example") == lane_key("https://a.example/?x"));
    assert_true(lane_key(A) != lane_key(B));
    assert_true(lane_key(A) != lane_key("https://hooks.example.com/A"));
    assert_true(lane_key(A) != lane_key("https://hooks.example.com:8443/a"));
    assert_true(lane_key("mx:example.net") != lane_key("mx:example.org"));
    assert_true((int64_t)lane_key(A) >= 0 && (int64_t)origin_key(A) >= 0);
}

static void a_held_lane_does_not_fill_a_claim(void **state)
{
    struct bench *bench = *state;
    struct claim claim;
    int64_t until = clock_unix_ms() + 60000;
    store_many(bench, A, 50);
    store_many(bench, B, 3);
    hold(bench, A, until, 1);
    bench_claim(bench, &claim, 10, 10);
    assert_int_equal(count_of(claim.deliveries, A), 0);
    assert_int_equal(count_of(claim.deliveries, B), 3);
    assert_false(claim.more);
    assert_true(claim.next_due_ms == until);
    release_all(bench, claim.deliveries);
}

static void after_a_hold_a_lane_is_probed(void **state)
{
    struct bench *bench = *state;
    struct claim claim;
    store_many(bench, A, 5);
    hold(bench, A, clock_unix_ms() - 1, 1);
    bench_claim(bench, &claim, 10, 10);
    assert_int_equal(count_of(claim.deliveries, A), 1);
    struct delivery *probe = claim.deliveries;
    bench_claim(bench, &claim, 10, 10);
    assert_null(claim.deliveries);
    spool_release(bench->spool, probe);
    hold(bench, A, 0, 0);
    bench_claim(bench, &claim, 10, 10);
    assert_int_equal(count_of(claim.deliveries, A), 5);
    release_all(bench, claim.deliveries);
}

static void lanes_take_turns(void **state)
{
    struct bench *bench = *state;
    struct claim first, second;
    store_many(bench, A, 30);
    store_many(bench, B, 30);
    bench_claim(bench, &first, 10, 100);
    bench_claim(bench, &second, 10, 100);
    assert_int_equal(count_of(first.deliveries, A) + count_of(second.deliveries, A), 10);
    assert_int_equal(count_of(first.deliveries, B) + count_of(second.deliveries, B), 10);
    assert_true(first.more && second.more);
    release_all(bench, first.deliveries);
    release_all(bench, second.deliveries);
}

static void per_lane_limits_what_is_leased(void **state)
{
    struct bench *bench = *state;
    store_many(bench, A, 30);
    store_many(bench, B, 2);
    struct claim claim = {.limit = 100, .per_origin = 100, .per_lane = 4, .bytes = 1 << 30};
    for (int round = 0; round < 2; round++) {
        struct claim again = claim;
        bench_run_claim(bench, &again);
        assert_int_equal(count_of(again.deliveries, A), round == 0 ? 4 : 0);
        assert_int_equal(count_of(again.deliveries, B), round == 0 ? 2 : 0);
        if (round == 0)
            claim.deliveries = again.deliveries;
    }
    release_all(bench, claim.deliveries);
}

/* More lanes than one claim looks at: none is forgotten. */
static void many_lanes_are_all_claimed(void **state)
{
    enum { LANES = 2500 };
    struct bench *bench = *state;
    struct delivery *first = NULL;
    char id[ID_SIZE], url[64];
    for (int i = 0; i < LANES; i++) {
        snprintf(id, sizeof id, "m-%d", i);
        snprintf(url, sizeof url, "https://hooks.example.com/%d", i);
        struct delivery *d = bench_delivery(id, url, "x");
        d->next = first;
        first = d;
    }
    assert_int_equal(bench_commit(bench, first, false), 0);
    bench_free_all(first);
    int claimed = 0;
    for (int rounds = 0; claimed < LANES && rounds < LANES; rounds++) {
        struct claim claim;
        bench_claim(bench, &claim, 100, LANES);
        for (struct delivery *d = claim.deliveries, *next; d; d = next) {
            next = d->next;
            claimed++;
            spool_delivered(bench->spool, d);
        }
        assert_true(claim.more || claimed == LANES);
    }
    assert_int_equal(claimed, LANES);
}

static void held_lanes_are_counted(void **state)
{
    struct bench *bench = *state;
    struct queue *queue;
    struct queue_origin origin = {0};
    store_many(bench, A, 1);
    hold(bench, A, clock_unix_ms() + 60000, 1);
    bench_wait_query(bench, "SELECT count(*) FROM held WHERE lane <> 0", 1);
    assert_int_equal(queue_open(&bench->config, &queue, NULL), 0);
    assert_int_equal(queue_origins(queue, bench_copy_origin, &origin, NULL), 0);
    queue_close(queue);
    assert_int_equal(origin.held_until_ms, 0);
    assert_int_equal(origin.held_lanes, 1);
}

/* The schema that 0.1.0 made, with a delivery that waits and one that failed. */
static const char first_schema[] =
    "CREATE TABLE tail (row INTEGER PRIMARY KEY, last INTEGER NOT NULL, file TEXT, bytes BLOB);"
    "CREATE TABLE payload (row INTEGER PRIMARY KEY, last INTEGER NOT NULL, tail INTEGER,"
    "  file TEXT, bytes BLOB);"
    "CREATE TABLE delivery (row INTEGER PRIMARY KEY, payload INTEGER NOT NULL,"
    "  origin INTEGER NOT NULL, due INTEGER, attempts INTEGER NOT NULL, created INTEGER NOT NULL,"
    "  id TEXT NOT NULL, url TEXT NOT NULL, secret TEXT, headers TEXT, timeout_ms INTEGER NOT NULL,"
    "  attempts_max INTEGER NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL,"
    "  last_status INTEGER NOT NULL, last_error TEXT, schedule TEXT, ca_file TEXT,"
    "  client_cert TEXT, client_key TEXT, mail_from TEXT, via TEXT, about TEXT);"
    "CREATE TABLE attempt (delivery INTEGER NOT NULL, at INTEGER NOT NULL, ms INTEGER NOT NULL,"
    "  status INTEGER NOT NULL, error TEXT NOT NULL, reply BLOB, PRIMARY KEY (delivery, at))"
    "  WITHOUT ROWID;"
    "CREATE TABLE held (origin INTEGER PRIMARY KEY, name TEXT NOT NULL, until INTEGER NOT NULL,"
    "  failures INTEGER NOT NULL);"
    "CREATE INDEX delivery_due ON delivery (origin, due) WHERE due IS NOT NULL;"
    "CREATE INDEX delivery_id ON delivery (id);"
    "CREATE INDEX delivery_failed ON delivery (created) WHERE due IS NULL;"
    "CREATE INDEX payload_file ON payload (file) WHERE file IS NOT NULL;"
    "CREATE INDEX tail_file ON tail (file) WHERE file IS NOT NULL;"
    "INSERT INTO payload VALUES (7, 8, NULL, NULL, 'an old body');"
    "INSERT INTO delivery VALUES (7, 7, 123, 1, 1, 4102444800000, 'old-1', '" A "?x', NULL, NULL,"
    "  0, 3, 's', 'r', 500, 'HTTP 500', NULL, NULL, NULL, NULL, NULL, NULL, NULL);"
    "INSERT INTO delivery VALUES (8, 7, 456, NULL, 3, 4102444800000, 'old-2', 'mailto:a@b', NULL,"
    "  NULL, 0, 3, 's', 'r', 0, 'no', NULL, NULL, NULL, NULL, 'x@y', 'mx:b', NULL);"
    "INSERT INTO attempt VALUES (7, 5, 6, 500, 'HTTP 500', 'r');"
    "INSERT INTO held VALUES (123, 'x', 5, 5);"
    "PRAGMA user_version = 1;";

static void make_old_spool(struct bench *bench)
{
    char path[128];
    sqlite3 *db;
    bench_close(bench);
    for (int i = 0; i < 3; i++) {
        static const char *const ends[] = {"", "-wal", "-shm"};
        snprintf(path, sizeof path, "%s/spool.db%s", bench->directory, ends[i]);
        remove(path);
    }
    snprintf(path, sizeof path, "%s/spool.db", bench->directory);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL;", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, first_schema, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void an_older_spool_is_migrated(void **state)
{
    struct bench *bench = *state;
    struct queue *queue;
    struct error err;
    struct delivery *failed;
    char sql[128];
    make_old_spool(bench);
    assert_int_equal(queue_open(&bench->config, &queue, &err), -EPROTONOSUPPORT);
    assert_non_null(strstr(err.text, "start `mxhook run` once"));
    bench_open(bench);
    snprintf(sql, sizeof sql, "SELECT origin = %lld AND lane = %lld FROM delivery WHERE row = 7",
             (long long)origin_key(A), (long long)lane_key(A));
    assert_int_equal(bench_query(bench, sql), 1);
    struct delivery *d = bench_claim_one(bench);
    assert_string_equal(d->id, "old-1");
    assert_int_equal(d->attempts, 1);
    char *body = bench_body(d->payload);
    assert_string_equal(body, "an old body");
    free(body);
    spool_delivered(bench->spool, d);
    assert_int_equal(queue_open(&bench->config, &queue, &err), 0);
    assert_int_equal(queue_show(queue, "old-2", &failed, &err), 0);
    assert_int_equal(failed->state, DELIVERY_FAILED);
    delivery_free(failed);
    queue_close(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_is_origin_and_path),
        cmocka_unit_test_setup_teardown(a_held_lane_does_not_fill_a_claim, bench_set_up,
                                        bench_tear_down),
        cmocka_unit_test_setup_teardown(after_a_hold_a_lane_is_probed, bench_set_up,
                                        bench_tear_down),
        cmocka_unit_test_setup_teardown(lanes_take_turns, bench_set_up, bench_tear_down),
        cmocka_unit_test_setup_teardown(per_lane_limits_what_is_leased, bench_set_up,
                                        bench_tear_down),
        cmocka_unit_test_setup_teardown(many_lanes_are_all_claimed, bench_set_up, bench_tear_down),
        cmocka_unit_test_setup_teardown(held_lanes_are_counted, bench_set_up, bench_tear_down),
        cmocka_unit_test_setup_teardown(an_older_spool_is_migrated, bench_set_up, bench_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
