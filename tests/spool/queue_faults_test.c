/*
 * Each call of SQLite fails once, wherever it is made: what `mxhook queue` asks for is done or refused, an export says what it
 * saved, and the next try finds the database as though nothing had been.
 */
#include "../failing_sqlite.h"
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "spool/sqlite/export.h"
#include "spool/store.h"

#define URL     "https://hooks.example.com/in"
#define OTHER   "https://other.example/"
#define COUNT   "SELECT count(*) FROM delivery"
#define LOOKS   200 /* more calls than any of these makes */
#define HOUR_MS 3600000

/* ---- What is asked for ---- */

struct digest {
    char text[4096];
};

/* All that a change could change. */
static struct digest digest(const struct bench *bench)
{
    static const char sql[] =
        "SELECT ifnull((SELECT group_concat(row || '/' || id || '/' || ifnull(due, 'failed') || "
        "'/' || attempts || '/' || "
        "last_status || '/' || url || '/' || ifnull(secret, '-')) FROM delivery), '') || '|' || "
        "(SELECT count(*) FROM payload) || '|' || (SELECT count(*) FROM tail) || '|' || (SELECT "
        "count(*) FROM attempt) || '|' "
        "|| ifnull((SELECT group_concat(origin || '/' || lane || '/' || until) FROM held), '') || "
        "'|' || "
        "ifnull((SELECT group_concat(name || '/' || lane || '/' || reason) FROM paused), '')";
    struct digest result;
    char path[128];
    sqlite3 *db;
    sqlite3_stmt *s;
    snprintf(path, sizeof path, "%s/spool.db", bench->directory);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    snprintf(result.text, sizeof result.text, "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    sqlite3_close(db);
    return result;
}

static int count_delivery(void *context, const struct delivery *delivery)
{
    (void)delivery;
    ++*(int *)context;
    return 0;
}

static int count_attempt(void *context, const struct queue_attempt *attempt)
{
    assert_string_equal(attempt->error, "broken");
    ++*(int *)context;
    return 0;
}

static int count_origin(void *context, const struct queue_origin *origin)
{
    *(int *)context += (int)origin->waiting;
    return 0;
}

static int count_hold(void *context, const struct queue_hold *hold)
{
    assert_int_equal(hold->failures, 11);
    ++*(int *)context;
    return 0;
}

static int64_t or_code(int code, int64_t result)
{
    return code < 0 ? code : result;
}

static int64_t list_all(struct queue *queue, struct error *err)
{
    int count = 0;
    int code = queue_list(queue, &(struct queue_filter){0}, count_delivery, &count, err);
    return or_code(code, count);
}

static int64_t list_failed(struct queue *queue, struct error *err)
{
    int count = 0;
    struct queue_filter failed = {.failed_only = true};
    int code = queue_list(queue, &failed, count_delivery, &count, err);
    return or_code(code, count);
}

static int64_t show(struct queue *queue, struct error *err)
{
    struct delivery *d = NULL;
    int code = queue_show(queue, "m-2", &d, err);
    if (code != 0)
        return code;
    char *body = bench_body(d->payload);
    assert_string_equal(body, "{\"head\":1,\"tail\":2}");
    free(body);
    delivery_free(d);
    return 0;
}

static int64_t attempts(struct queue *queue, struct error *err)
{
    struct stored stored = {.row = 1};
    struct delivery d = {.stored = &stored};
    int count = 0;
    int code = queue_attempts(queue, &d, count_attempt, &count, err);
    return or_code(code, count);
}

static int64_t origins(struct queue *queue, struct error *err)
{
    int count = 0;
    int code = queue_origins(queue, count_origin, &count, err);
    return or_code(code, count);
}

static int64_t totals(struct queue *queue, struct error *err)
{
    struct queue_totals all = {0};
    int code = queue_totals(queue, &all, err);
    assert_true(code != 0 || all.bytes > 0);
    return or_code(code, all.failed);
}

static int64_t holds(struct queue *queue, struct error *err)
{
    int count = 0;
    int code = queue_holds(queue, count_hold, &count, err);
    return or_code(code, count);
}

static int64_t probe(struct queue *queue, struct error *err)
{
    struct queue_hold hold = {.origin = origin_key(URL)};
    return queue_probe(queue, &hold, err);
}

static int64_t pauses(struct queue *queue, struct error *err)
{
    struct pauses all = {0};
    int code = queue_pauses(queue, true, &all, err);
    int64_t waiting = all.count > 0 ? all.list[0].waiting : -1;
    pauses_free(&all);
    return or_code(code, waiting);
}

static int64_t pause_it(struct queue *queue, struct error *err)
{
    struct pause done = {0};
    int code = queue_pause(queue, OTHER, true, "why", &done, err);
    assert_true(code != 0 || strcmp(done.reason, "why") == 0);
    return code;
}

static int64_t resume_it(struct queue *queue, struct error *err)
{
    return queue_resume(queue, OTHER, true, NULL, err);
}

static int64_t edit_one(struct queue *queue, struct error *err)
{
    struct queue_edit edit = {.url = "https://third.example/"};
    return queue_edit(queue, &edit, "m-1", NULL, err);
}

static int64_t edit_all(struct queue *queue, struct error *err)
{
    struct queue_edit edit = {.secret = "s"};
    return queue_edit(queue, &edit, NULL, &(struct queue_filter){0}, err);
}

static int64_t retry_one(struct queue *queue, struct error *err)
{
    return queue_retry(queue, "m-1", err);
}

static int64_t retry_all(struct queue *queue, struct error *err)
{
    return queue_retry_all(queue, &(struct queue_filter){.recipient = "c@d.example"}, err);
}

static int64_t drop_one(struct queue *queue, struct error *err)
{
    return queue_drop(queue, "m-2", err); /* the tail stays: m-3 has it too */
}

static int64_t drop_all(struct queue *queue, struct error *err)
{
    return queue_drop_all(queue, &(struct queue_filter){0}, err);
}

static const struct operation {
    const char *name;
    int64_t (*run)(struct queue *queue, struct error *err);
    int64_t expected;
    bool changes;
} operations[] = {
    {"list", list_all, 4, false},      {"list failed", list_failed, 1, false},
    {"show", show, 0, false},          {"attempts", attempts, 1, false},
    {"origins", origins, 3, false},    {"totals", totals, 1, false},
    {"holds", holds, 1, false},        {"probe", probe, 0, true},
    {"pause", pause_it, 0, true},      {"pauses", pauses, 1, false},
    {"resume", resume_it, 0, true},    {"edit one", edit_one, 1, true},
    {"edit all", edit_all, 4, true},   {"retry one", retry_one, 0, true},
    {"retry all", retry_all, 4, true}, {"drop one", drop_one, 0, true},
    {"drop all", drop_all, 3, true},
};

static void each_call_fails(struct bench *bench, const struct operation *operation)
{
    bool failed = true;
    for (long i = 0; failed; i++) {
        struct queue *queue;
        struct error err = {""};
        struct digest before = digest(bench);
        assert_true(i < LOOKS);
        assert_int_equal(queue_open(&bench->config, &queue, &err), 0);
        sqlite_fails_after(i, NULL, false);
        int64_t result = operation->run(queue, &err);
        failed = sqlite_has_failed();
        struct digest after = digest(bench);
        bool changed = strcmp(before.text, after.text) != 0;
        if (failed ? result != -EIO || changed || !err.text[0]
                   : result != operation->expected || changed != operation->changes)
            fail_msg("%s, call %ld: %lld \"%s\"\n%s\n%s", operation->name, i, (long long)result,
                     err.text, before.text, after.text);
        /* The same connection is none the worse for it: another transaction can begin. */
        assert_int_equal(queue_probe(queue, &(struct queue_hold){.origin = 1}, &err), 0);
        queue_close(queue);
    }
}

/* m-1 has failed after an attempt; m-2 and m-3 share what they carry; m-4 goes elsewhere. */
static void fill(struct bench *bench)
{
    struct held held = {.until_ms = clock_unix_ms() + HOUR_MS,
                        .most = 1,
                        .failures = 11,
                        .origin = "https://hooks.example.com:443"};
    struct payload *payload =
        payload_new(spill_from_bytes("{\"head\":1,", 10), spill_from_bytes("\"tail\":2}", 9));
    bench_store(bench, "m-1", URL, "x");
    struct delivery *d = bench_claim_one(bench);
    d->attempts = 1;
    d->last_error = "broken";
    d->last_at_ms = 5;
    spool_failed(bench->spool, d);
    d = bench_delivery_of("m-2", URL, payload);
    d->next = bench_delivery_of("m-3", URL, payload);
    payload_free(payload);
    assert_int_equal(bench_commit(bench, d, false), 0);
    bench_free_all(d);
    bench_store(bench, "m-4", OTHER, "x");
    assert_int_equal(spool_hold(bench->spool, URL, &held), 0);
    bench_wait_query(bench, "SELECT count(*) FROM held", 1);
    bench_wait_query(bench, COUNT " WHERE due IS NULL", 1);
    bench_close(bench);
}

static void what_queue_asks_for_is_done_or_refused(void **state)
{
    struct bench *bench = *state;
    fill(bench);
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        each_call_fails(bench, &operations[i]);
}

static void a_visit_opens_or_says_why_not(void **state)
{
    struct bench *bench = *state;
    bool failed = true;
    bench_close(bench);
    for (long i = 0; failed; i++) {
        struct queue *queue = NULL;
        struct error err = {""};
        assert_true(i < LOOKS);
        sqlite_fails_after(i, NULL, false);
        int code = queue_open(&bench->config, &queue, &err);
        failed = sqlite_has_failed();
        assert_int_equal(code, failed ? -EIO : 0);
        assert_int_equal(err.text[0] != 0, failed);
        queue_close(queue);
    }
}

/* ---- Export ---- */

static void count_lost(void *context, const char *id, const char *recipient, const char *reason)
{
    (void)id, (void)recipient;
    assert_true(*reason);
    ++*(int *)context;
}

/* What is said to be saved is; what is not is said to be lost; or the whole fails, and says why. */
static void an_export_says_what_it_saved(void **state)
{
    struct bench *bench = *state;
    bool failed = true;
    fill(bench);
    bench_run_sql(bench, "INSERT INTO paused (origin, lane, name, reason, since) VALUES (1, 0, "
                         "'https://a:443', 'why', 5)");
    for (long i = 0; failed; i++) {
        int lost = 0;
        struct export_report report = {.lose = count_lost, .context = &lost};
        struct error err = {""};
        char to[96], command[128];
        struct bench saved;
        assert_true(i < LOOKS);
        snprintf(to, sizeof to, "%s-saved", bench->directory);
        sqlite_fails_after(i, NULL, false);
        int code = spool_export(&bench->config, to, &report, &err);
        failed = sqlite_has_failed();
        snprintf(saved.directory, sizeof saved.directory, "%.63s", to);
        assert_int_equal(err.text[0] != 0, code != 0);
        assert_int_equal(lost, report.lost + report.gaps);
        if (code == 0) {
            assert_int_equal(bench_query(&saved, COUNT), report.waiting + report.failed);
            assert_int_equal(bench_query(&saved, COUNT " WHERE due IS NULL"), report.failed);
            assert_true(*report.database_error || report.waiting + report.failed + lost >= 4);
        }
        if (!failed) {
            assert_int_equal(code, 0);
            assert_int_equal(report.waiting + 10 * report.failed + 100 * lost, 13);
            assert_int_equal(
                bench_query(&saved, "SELECT count(*) FROM paused WHERE reason = 'why'"), 1);
        }
        snprintf(command, sizeof command, "rm -rf '%s'", to);
        assert_int_equal(system(command), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_queue_asks_for_is_done_or_refused),
        TEST(a_visit_opens_or_says_why_not),
        TEST(an_export_says_what_it_saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
