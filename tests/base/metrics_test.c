#include "base/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../test.h"

static char *text;

static const char *scrape(void)
{
    size_t size;
    free(text);
    text = metrics_text(&size);
    assert_non_null(text);
    assert_int_equal(strlen(text), size);
    return text;
}

#define assert_has(line)     assert_non_null(strstr(scrape(), line))
#define assert_has_not(line) assert_null(strstr(scrape(), line))

static void counts_by_label(void **state)
{
    (void)state;
    metric_add(METRIC_MESSAGES_TOTAL, 1, "accepted");
    metric_add(METRIC_MESSAGES_TOTAL, 2, "accepted");
    metric_add(METRIC_MESSAGES_TOTAL, 1, "deferred");
    metric_add(METRIC_AUTH_RESULTS_TOTAL, 1, "spf", "pass");
    assert_has("# TYPE mxhook_messages_total counter\n");
    assert_has("\nmxhook_messages_total{result=\"accepted\"} 3\n");
    assert_has("\nmxhook_messages_total{result=\"deferred\"} 1\n");
    assert_has("\nmxhook_auth_results_total{check=\"spf\",result=\"pass\"} 1\n");
    assert_true(metric_value(METRIC_MESSAGES_TOTAL, "accepted", NULL) == 3);
    assert_true(metric_value(METRIC_MESSAGES_TOTAL, "no such", NULL) == 0);
    assert_true(metric_sum(METRIC_MESSAGES_TOTAL) == 4);
}

static void a_gauge_goes_up_and_down(void **state)
{
    (void)state;
    metric_set(METRIC_WORKERS, 2.5);
    assert_has("\nmxhook_workers 2.5\n");
    metric_add(METRIC_SMTP_CONNECTIONS, 3, "a");
    metric_add(METRIC_SMTP_CONNECTIONS, -2, "a");
    assert_has("\nmxhook_smtp_connections{listener=\"a\"} 1\n");
    metric_clear(METRIC_SMTP_CONNECTIONS);
    assert_has_not("\nmxhook_smtp_connections{");
    metric_raise(METRIC_LOOP_LAG, 2);
    metric_raise(METRIC_LOOP_LAG, 1);
    assert_has("\nmxhook_loop_lag_seconds 2\n");
}

static void buckets_are_cumulative_and_include_their_bound(void **state)
{
    (void)state;
    metric_observe(METRIC_MESSAGE_SIZE, 4096);
    metric_observe(METRIC_MESSAGE_SIZE, 4097);
    metric_observe(METRIC_MESSAGE_SIZE, 67108864);
    metric_observe(METRIC_MESSAGE_SIZE, 67108865);
    assert_has("\nmxhook_message_size_bytes_bucket{le=\"4096\"} 1\n"
               "mxhook_message_size_bytes_bucket{le=\"16384\"} 2\n");
    assert_has("{le=\"67108864\"} 3\n"
               "mxhook_message_size_bytes_bucket{le=\"+Inf\"} 4\n");
    assert_has("\nmxhook_message_size_bytes_count 4\n");
    assert_has("\nmxhook_message_size_bytes_sum 134225922\n");
}

static void what_has_no_label_stands_at_zero(void **state)
{
    (void)state;
    assert_has("\nmxhook_accept_duration_seconds_count 0\n");
}

static void label_values_are_escaped(void **state)
{
    (void)state;
    metric_add(METRIC_LOG_SUPPRESSED_TOTAL, 1, "a\"b\\c\nd");
    assert_has("\nmxhook_log_suppressed_total{event=\"a\\\"b\\\\c\\nd\"} 1\n");
}

/* SMTP_TURNED_AWAY_TOTAL has room for 16, "other" included. */
static void the_number_of_series_is_bounded(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i < 15; i++) {
        snprintf(name, sizeof name, "r%d", i);
        metric_add(METRIC_SMTP_TURNED_AWAY_TOTAL, 1, name);
    }
    assert_has("{reason=\"r14\"} 1\n");
    assert_has_not("reason=\"other\"");
    metric_add(METRIC_SMTP_TURNED_AWAY_TOTAL, 1, "r15");
    metric_add(METRIC_SMTP_TURNED_AWAY_TOTAL, 1, "r16");
    metric_add(METRIC_SMTP_TURNED_AWAY_TOTAL, 1, "r14");
    assert_has("{reason=\"other\"} 2\n");
    assert_has("{reason=\"r14\"} 2\n");
    assert_has_not("\"r15\"");
}

static void time_is_counted_in_microseconds(void **state)
{
    (void)state;
    metric_add(METRIC_RULE_SECONDS_TOTAL, 1500000, "10-a.lua");
    metric_add(METRIC_RULE_SECONDS_TOTAL, 1, "10-a.lua");
    assert_has("# TYPE mxhook_rule_seconds_total counter\n");
    assert_has("\nmxhook_rule_seconds_total{file=\"10-a.lua\"} 1.500001\n");
}

/* The same origins for all metrics; what came of the attempts to others is still told. */
static void the_number_of_origins_is_bounded(void **state)
{
    (void)state;
    metrics_limit_origins(2);
    metric_add(METRIC_ATTEMPTS_TOTAL, 1, "https://a", "2xx");
    metric_add(METRIC_ATTEMPTS_TOTAL, 1, "https://b", "2xx");
    metric_add(METRIC_ATTEMPTS_TOTAL, 1, "https://b", "5xx");
    metric_add(METRIC_ATTEMPTS_TOTAL, 1, "https://c", "5xx");
    metric_add(METRIC_ATTEMPTS_TOTAL, 1, "https://d", "5xx");
    metric_set(METRIC_ORIGIN_WAITING, 7, "https://c");
    metric_set(METRIC_ORIGIN_WAITING, 8, "https://b");
    assert_has("{origin=\"https://b\",result=\"5xx\"} 1\n");
    assert_has("{origin=\"other\",result=\"5xx\"} 2\n");
    assert_has("\nmxhook_origin_waiting{origin=\"other\"} 7\n");
    assert_has("\nmxhook_origin_waiting{origin=\"https://b\"} 8\n");
    assert_has_not("https://c");
    metrics_limit_origins(3);
    metric_add(METRIC_ATTEMPTS_TOTAL, 1, "https://c", "2xx");
    assert_has("{origin=\"https://c\",result=\"2xx\"} 1\n");
    metrics_limit_origins(METRIC_ORIGINS_MAX);
    char name[32];
    for (int i = 0; i < 2 * METRIC_ORIGINS_MAX; i++) {
        snprintf(name, sizeof name, "https://n%d", i);
        metric_add(METRIC_ATTEMPTS_TOTAL, 1, name, "2xx");
    }
    assert_has("{origin=\"https://n996\",result=\"2xx\"} 1\n"); /* with a, b and c 1,000 */
    assert_has_not("https://n997");
    assert_has("{origin=\"other\",result=\"2xx\"} 1003\n");
}

static void a_long_value_is_one_series(void **state)
{
    (void)state;
    char longer[1000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    metric_add(METRIC_AUTH_RESULTS_TOTAL, 1, "long", longer);
    metric_add(METRIC_AUTH_RESULTS_TOTAL, 1, "long", longer);
    assert_non_null(strstr(scrape(), "xxx\"} 2\n"));
}

enum { THREADS = 4, EACH = 20000 };

static void hammer(void *argument)
{
    (void)argument;
    char name[8];
    for (int i = 0; i < EACH; i++) {
        snprintf(name, sizeof name, "c%d", i % 20);
        metric_add(METRIC_SMTP_CONNECTIONS_TOTAL, 1, name);
        metric_observe(METRIC_ACCEPT_DURATION, 0.5);
    }
}

static void threads_lose_no_count(void **state)
{
    (void)state;
    uv_thread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_create(&threads[i], hammer, NULL), 0);
    for (int i = 0; i < 20; i++)
        scrape();
    for (int i = 0; i < THREADS; i++)
        uv_thread_join(&threads[i]);
    assert_true(metric_sum(METRIC_SMTP_CONNECTIONS_TOTAL) == THREADS * EACH);
    assert_true(metric_value(METRIC_SMTP_CONNECTIONS_TOTAL, "c7", NULL) == THREADS * EACH / 20);
    assert_has("\nmxhook_accept_duration_seconds_sum 40000\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_no_label_stands_at_zero),
        cmocka_unit_test(counts_by_label),
        cmocka_unit_test(a_gauge_goes_up_and_down),
        cmocka_unit_test(buckets_are_cumulative_and_include_their_bound),
        cmocka_unit_test(label_values_are_escaped),
        cmocka_unit_test(the_number_of_series_is_bounded),
        cmocka_unit_test(time_is_counted_in_microseconds),
        cmocka_unit_test(the_number_of_origins_is_bounded),
        cmocka_unit_test(a_long_value_is_one_series),
        cmocka_unit_test(threads_lose_no_count),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(text);
    return failed;
}
