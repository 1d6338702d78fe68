#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static struct config *make_config(const struct rig *rig, const char *deliver)
{
    char path[128];
    struct config *config;
    struct error err;
    snprintf(path, sizeof path, "%s/mxhook.lua", rig->bench->directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "domains = { 'example.com' }\n"
            "deliver = { schedule = { '50ms' }, unreachable_schedule = { '50ms' }, connect_timeout "
            "= '1s', timeout = '2s', %s }\n",
            deliver);
    fclose(file);
    if (config_load(path, &config, &err) != 0)
        fail_msg("%s", err.text);
    return config;
}

int rig_set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    bench_set_up((void **)&rig->bench);
    *state = rig;
    return 0;
}

void rig_start(struct rig *rig, const char *deliver_options)
{
    struct error err;
    rig->config = make_config(rig, deliver_options);
    assert_int_equal(
        deliver_new(&rig->bench->loop, rig->config, rig->bench->spool, &rig->deliver, &err), 0);
    deliver_start(rig->deliver);
}

/* With a receiver that answers so. */
void rig_start_with(struct rig *rig, const char *deliver_options, const struct answer *answers,
                    size_t count)
{
    rig->receiver = receiver_start(answers, count);
    snprintf(rig->url, sizeof rig->url, "http://127.0.0.1:%d/hook", receiver_port(rig->receiver));
    rig_start(rig, deliver_options);
}

void rig_configure(struct rig *rig, const char *deliver_options)
{
    struct config *config = make_config(rig, deliver_options);
    deliver_configure(rig->deliver, config);
    config_unref(rig->config);
    rig->config = config;
}

void rig_stop(struct rig *rig)
{
    deliver_free(rig->deliver);
    config_unref(rig->config);
    rig->deliver = NULL;
    rig->config = NULL;
}

int rig_tear_down(void **state)
{
    struct rig *rig = *state;
    if (rig->deliver)
        rig_stop(rig);
    receiver_stop(rig->receiver);
    rig->bench->open_before = 0; /* threads of libcurl's close theirs when they like */
    bench_tear_down((void **)&rig->bench);
    free(rig);
    return 0;
}

static void tick(uv_timer_t *timer)
{
    (void)timer;
}

/* Runs the loop until the query gives that number; two minutes at most: 3,000 requests under TSan, on a machine that
 * does much else, take more than ten seconds. */
void rig_run_until(struct rig *rig, const char *sql, long long expected)
{
    uv_timer_t timer;
    int64_t until = clock_monotonic_ms() + 120000, next = 0;
    uv_timer_init(&rig->bench->loop, &timer);
    uv_timer_start(&timer, tick, 5, 5);
    long long found = expected - 1;
    while (found != expected && clock_monotonic_ms() < until) {
        uv_run(&rig->bench->loop, UV_RUN_ONCE);
        if (clock_monotonic_ms() >= next) {
            found = bench_query(rig->bench, sql);
            next = clock_monotonic_ms() + 20;
        }
    }
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&rig->bench->loop, UV_RUN_NOWAIT);
    assert_int_equal(found, expected);
}

void rig_run_for(struct rig *rig, int ms)
{
    uv_timer_t timer;
    int64_t until = clock_monotonic_ms() + ms;
    uv_timer_init(&rig->bench->loop, &timer);
    uv_timer_start(&timer, tick, 5, 5);
    while (clock_monotonic_ms() < until)
        uv_run(&rig->bench->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&rig->bench->loop, UV_RUN_NOWAIT);
}

void rig_post_delivery(struct rig *rig, struct delivery *d)
{
    assert_true(deliver_has_room(rig->deliver));
    assert_int_equal(bench_commit(rig->bench, d, true), 0);
    deliver_take(rig->deliver, d);
}

void rig_post(struct rig *rig, const char *id, const char *url)
{
    rig_post_delivery(rig, bench_delivery(id, url, "{\"subject\":\"hi\"}"));
}

void rig_store(struct rig *rig, int count)
{
    struct delivery *list = NULL;
    for (int i = 0; i < count; i++) {
        struct delivery *d = bench_delivery("m-1", rig->url, "x");
        d->next = list;
        list = d;
    }
    assert_int_equal(bench_commit(rig->bench, list, false), 0);
    for (struct delivery *next; list; list = next) {
        next = list->next;
        delivery_free(list);
    }
}

const char *rig_header(const struct rig *rig, size_t request, const char *name)
{
    static char value[512];
    return received_header(receiver_request(rig->receiver, request), name, value);
}

void rig_check_error(const struct rig *rig, const char *like)
{
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM delivery WHERE last_error LIKE '%s'", like);
    if (bench_query(rig->bench, sql) != 1) {
        bench_run_sql(rig->bench, "SELECT 1");
        fail_msg("no delivery has an error like %s", like);
    }
}

struct payload *rig_large_payload(struct rig *rig, size_t tail_size)
{
    struct spill *head = spool_new_body(rig->bench->spool, "m-1.head");
    struct spill *tail = spill_from_bytes("", 0);
    char line[16];
    for (int i = 0; spill_size(head) < 3 * SPILL_THRESHOLD; i++) {
        snprintf(line, sizeof line, "%09d\n", i);
        assert_int_equal(spill_write(head, line, 10), 0);
    }
    for (size_t i = 0; i < tail_size; i++)
        assert_int_equal(spill_write(tail, "t", 1), 0);
    assert_int_equal(spill_sync(head), 0);
    return payload_new(head, tail);
}

static void wake(void *context)
{
    struct rig *rig = context;
    if (rig->deliver)
        deliver_wake(rig->deliver);
}

void rig_wake_on_change(struct rig *rig)
{
    spool_on_change(rig->bench->spool, wake, rig);
}
