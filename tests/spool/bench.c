#include "bench.h"

#include <dirent.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../descriptors.h"
#include "base/clock.h"

/* What a wait's end would leave on a stack is still the spool's thread's: so longer than any machine takes. */
#define PATIENCE_MS 120000

static void count_change(void *context)
{
    struct bench *bench = context;
    bench->changes++;
}

void bench_open(struct bench *bench)
{
    struct error err;
    if (spool_open(&bench->config, &bench->loop, &bench->spool, &err) != 0)
        fail_msg("%s", err.text);
    spool_on_change(bench->spool, count_change, bench);
}

void bench_close(struct bench *bench)
{
    spool_close(bench->spool);
    bench->spool = NULL;
    uv_run(&bench->loop, UV_RUN_NOWAIT);
}

int bench_set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    strcpy(bench->directory, "/tmp/mxhook-spool-XXXXXX");
    assert_non_null(mkdtemp(bench->directory));
    bench->config.directory = bench->directory;
    bench->open_before = count_descriptors();
    assert_int_equal(uv_loop_init(&bench->loop), 0);
    bench_open(bench);
    *state = bench;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

int bench_tear_down(void **state)
{
    struct bench *bench = *state;
    if (bench->spool)
        bench_close(bench);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    if (bench->open_before > 0)
        assert_int_equal(count_descriptors(), bench->open_before);
    nftw(bench->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(bench);
    return 0;
}

static void ignore_timer(uv_timer_t *timer)
{
    (void)timer;
}

void bench_wait(struct bench *bench, const int *flag)
{
    uv_timer_t timer;
    uv_timer_init(&bench->loop, &timer);
    uv_timer_start(&timer, ignore_timer, 10, 10);
    int64_t until = clock_monotonic_ms() + PATIENCE_MS;
    while (!*flag && clock_monotonic_ms() < until)
        uv_run(&bench->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&bench->loop, UV_RUN_NOWAIT);
    assert_true(*flag);
}

struct delivery *bench_delivery_of(const char *id, const char *url, struct payload *payload)
{
    struct delivery *d = delivery_new(id);
    struct destination destination = {.url = url};
    assert_non_null(d);
    assert_int_equal(delivery_set_destination(d, &destination), 0);
    d->sender = "a@b.example";
    d->recipient = "c@d.example";
    d->created_ms = d->due_ms = clock_unix_ms();
    d->payload = payload_ref(payload);
    return d;
}

struct delivery *bench_delivery(const char *id, const char *url, const char *body)
{
    struct payload *payload = payload_new(spill_from_bytes(body, strlen(body)), NULL);
    struct delivery *d = bench_delivery_of(id, url, payload);
    payload_free(payload);
    return d;
}

static void set_flag(struct commit *commit)
{
    *(int *)commit->context = 1;
}

int bench_commit(struct bench *bench, struct delivery *deliveries, bool lease)
{
    int done = 0;
    struct commit commit = {
        .deliveries = deliveries, .lease = lease, .done = set_flag, .context = &done};
    spool_commit(bench->spool, &commit);
    bench_wait(bench, &done);
    return commit.status;
}

void bench_store(struct bench *bench, const char *id, const char *url, const char *body)
{
    struct delivery *d = bench_delivery(id, url, body);
    assert_int_equal(bench_commit(bench, d, false), 0);
    delivery_free(d);
}

static void set_claim_flag(struct claim *claim)
{
    *(int *)claim->context = 1;
}

void bench_run_claim(struct bench *bench, struct claim *claim)
{
    int done = 0;
    claim->done = set_claim_flag;
    claim->context = &done;
    spool_claim(bench->spool, claim);
    bench_wait(bench, &done);
}

void bench_claim(struct bench *bench, struct claim *claim, size_t limit, size_t per_origin)
{
    *claim = (struct claim){.limit = limit, .per_origin = per_origin, .bytes = 1 << 30};
    bench_run_claim(bench, claim);
}

int bench_copy_origin(void *context, const struct queue_origin *origin)
{
    struct queue_origin *copy = context;
    static char name[100];
    snprintf(name, sizeof name, "%s", origin->name);
    *copy = *origin;
    copy->name = name;
    return 0;
}

struct delivery *bench_claim_one(struct bench *bench)
{
    struct claim claim;
    bench_claim(bench, &claim, 10, 10);
    assert_non_null(claim.deliveries);
    assert_null(claim.deliveries->next);
    return claim.deliveries;
}

static sqlite3 *open_beside(const struct bench *bench)
{
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/spool.db", bench->directory);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, PATIENCE_MS);
    return db;
}

long long bench_query(const struct bench *bench, const char *sql)
{
    sqlite3 *db = open_beside(bench);
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    long long number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

void bench_wait_query(const struct bench *bench, const char *sql, long long expected)
{
    int64_t until = clock_monotonic_ms() + PATIENCE_MS;
    while (bench_query(bench, sql) != expected && clock_monotonic_ms() < until)
        usleep(5000);
    assert_int_equal(bench_query(bench, sql), expected);
}

void bench_run_sql(const struct bench *bench, const char *sql)
{
    sqlite3 *db = open_beside(bench);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

void bench_free_all(struct delivery *list)
{
    for (struct delivery *next; list; list = next) {
        next = list->next;
        delivery_free(list);
    }
}

char *bench_body(const struct payload *payload)
{
    size_t size = (size_t)payload_size(payload), used = 0;
    char *body = malloc(size + 1);
    assert_non_null(body);
    while (used < size) {
        ssize_t n = payload_read(payload, used, body + used, size - used);
        assert_true(n > 0);
        used += (size_t)n;
    }
    body[size] = 0;
    return body;
}

size_t bench_files(const struct bench *bench)
{
    char path[128];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/bodies", bench->directory);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}
