/* Each option that is a number, a size, a duration or a flag: its default, the last values that are taken on both sides, the
 * first ones that are not, and that it lands in its own field. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"

#include "../test.h"

enum kind { NUMBER, BYTES, MS };

struct row {
    const char *option;
    enum kind kind;
    size_t at, size; /* of its field in struct config */
    int64_t usual, least, most;
};

#define FIELD(member) offsetof(struct config, member), sizeof(((struct config *)NULL)->member)
#define NO_DEFAULT    INT64_MIN /* the machine's */

#define MIB    (1ll << 20)
#define MINUTE 60000ll
#define HOUR   3600000ll
#define DAY    86400000ll

static const struct row rows[] = {
    {"log_limit", NUMBER, FIELD(log_limit), 100, 0, 1000000},
    {"shutdown_timeout", MS, FIELD(shutdown_timeout_ms), 30000, 0, HOUR},
    {"smtp.max_size", BYTES, FIELD(smtp.max_size), 50 * MIB, 1024, 1ll << 40},
    {"smtp.max_recipients", NUMBER, FIELD(smtp.max_recipients), 100, 1, 10000},
    {"smtp.max_connections", NUMBER, FIELD(smtp.max_connections), 1000, 1, 1000000},
    {"smtp.max_waiting", NUMBER, FIELD(smtp.max_waiting), 500, 1, 1000000},
    {"smtp.max_errors", NUMBER, FIELD(smtp.max_errors), 20, 1, 10000},
    {"smtp.command_timeout", MS, FIELD(smtp.command_timeout_ms), 5 * MINUTE, 100, HOUR},
    {"smtp.data_timeout", MS, FIELD(smtp.data_timeout_ms), 3 * MINUTE, 100, HOUR},
    {"smtp.min_rate", BYTES, FIELD(smtp.min_rate), 500, 0, MIB},
    {"smtp.stress_timeout", MS, FIELD(smtp.stress_timeout_ms), 10000, 100, HOUR},
    {"smtp.message_timeout", MS, FIELD(smtp.message_timeout_ms), HOUR, 100, DAY},
    {"access.proxy_timeout", MS, FIELD(access.proxy_timeout_ms), 5000, 10, 10 * MINUTE},
    {"access.greeting_pause", MS, FIELD(access.greeting_pause_ms), 0, 0, MINUTE},
    {"access.connections_per_address", NUMBER, FIELD(access.connections_per_address), 50, 0,
     1000000},
    {"access.connections_per_network", NUMBER, FIELD(access.connections_per_network), 200, 0,
     1000000},
    {"access.connections_per_site", NUMBER, FIELD(access.connections_per_site), 400, 0, 1000000},
    {"access.messages_per_minute", NUMBER, FIELD(access.messages_per_minute), 0, 0, 1000000},
    {"access.recipients_per_session", NUMBER, FIELD(access.recipients_per_session), 0, 0, 1000000},
    {"rules.workers", NUMBER, FIELD(rules.workers), NO_DEFAULT, 1, 256},
    {"rules.time_limit", MS, FIELD(rules.time_limit_ms), 100, 1, MINUTE},
    {"rules.memory_limit", BYTES, FIELD(rules.memory_limit), 64 * MIB, 4 * MIB, 1ll << 40},
    {"rules.text_limit", BYTES, FIELD(rules.text_limit), 4 * MIB, 1024, 1ll << 40},
    {"scan.timeout", MS, FIELD(scan.timeout_ms), 8000, 10, 10 * MINUTE},
    {"scan.max_size", BYTES, FIELD(scan.max_size), 20 * MIB, 1024, 1ll << 40},
    {"spool.commit_timeout", MS, FIELD(spool.commit_timeout_ms), 25000, 1000, 5 * MINUTE},
    {"spool.old_transaction", MS, FIELD(spool.old_transaction_ms), 5 * MINUTE, 1000, DAY},
    {"spool.keep_failed", MS, FIELD(spool.keep_failed_ms), 30 * DAY, 1000, 3650 * DAY},
    {"spool.max_age", MS, FIELD(spool.max_age_ms), 5 * DAY, 1000, 3650 * DAY},
    {"spool.max_size", BYTES, FIELD(spool.max_size), 0, 0, 1ll << 50},
    {"spool.min_free", BYTES, FIELD(spool.min_free), 64 * MIB, 32 * MIB, 1ll << 50},
    {"history.keep", MS, FIELD(history.keep_ms), 7 * DAY, 0, 3650 * DAY},
    {"history.max_size", BYTES, FIELD(history.max_size), 1024 * MIB, MIB, 1ll << 50},
    {"metrics.max_origins", NUMBER, FIELD(metrics_max_origins), 100, 1, 1000},
    {"deliver.max_in_flight", NUMBER, FIELD(deliver.max_in_flight), 100, 1, 10000},
    {"deliver.max_per_origin", NUMBER, FIELD(deliver.max_per_origin), 20, 1, 10000},
    {"deliver.attempts", NUMBER, FIELD(deliver.retry.attempts), 3, 1, 1000},
    {"deliver.max_body", BYTES, FIELD(deliver.max_body), 0, 0, 1ll << 40},
    {"deliver.connect_timeout", MS, FIELD(deliver.connect_timeout_ms), 10000, 10, 10 * MINUTE},
    {"deliver.timeout", MS, FIELD(deliver.timeout_ms), MINUTE, 10, DAY},
    {"deliver.first_byte_timeout", MS, FIELD(deliver.first_byte_timeout_ms), 30000, 10, DAY},
    {"deliver.idle_timeout", MS, FIELD(deliver.idle_timeout_ms), 30000, 1000, DAY},
    {"deliver.connection_age", MS, FIELD(deliver.connection_age_ms), 2 * MINUTE, 1000, DAY},
    {"deliver.breaker_failures", NUMBER, FIELD(deliver.breaker_failures), 10, 1, 100000},
    {"deliver.breaker_pause", MS, FIELD(deliver.breaker_pause_ms), 5000, 10, DAY},
    {"deliver.breaker_pause_max", MS, FIELD(deliver.breaker_pause_max_ms), MINUTE, 10, DAY},
    {"deliver.gone_limit", NUMBER, FIELD(deliver.gone_limit), 5, 0, 100000},
    {"forward.timeout", MS, FIELD(forward.timeout_ms), 5 * MINUTE, 1000, HOUR},
    {"forward.attempts", NUMBER, FIELD(forward.retry.attempts), 30, 1, 1000},
    {"forward.mx_port", NUMBER, FIELD(forward.mx_port), 25, 1, 65535},
    {"forward.srs_valid", MS, FIELD(forward.srs_valid_ms), 21 * DAY, DAY, 365 * DAY},
    {"dns.query_timeout", MS, FIELD(dns.query_timeout_ms), 1500, 10, MINUTE},
    {"dns.cache_size", BYTES, FIELD(dns.cache_size), 16 * MIB, 0, 1ll << 32},
    {"auth.timeout", MS, FIELD(auth.timeout_ms), 5000, 10, MINUTE},
};

static int64_t value_of(const struct config *c, size_t at, size_t size)
{
    const char *field = (const char *)c + at;
    return size == sizeof(int64_t) ? *(const int64_t *)field : *(const int32_t *)field;
}

/* "smtp = { max_size = 1 }" */
static void write_line(const char *option, const char *value, char line[256])
{
    const char *dot = strchr(option, '.');
    if (dot)
        snprintf(line, 256, "%.*s = { %s = %s }", (int)(dot - option), option, dot + 1, value);
    else
        snprintf(line, 256, "%s = %s", option, value);
}

static void write_number(const struct row *row, int64_t number, char line[256])
{
    char value[40];
    snprintf(value, sizeof value, row->kind == MS ? "'%" PRId64 "ms'" : "%" PRId64, number);
    write_line(row->option, value, line);
}

static void assert_taken(const struct row *row, int64_t number)
{
    char line[256], text[300];
    write_number(row, number, line);
    snprintf(text, sizeof text, "domains = { 'a.example' }\n%s", line);
    struct config *c = config_loaded(text);
    if (value_of(c, row->at, row->size) != number)
        fail_msg("%s: the field has %" PRId64, line, value_of(c, row->at, row->size));
    config_unref(c);
}

static void assert_refused(const struct row *row, int64_t number)
{
    char line[256], says[100];
    write_number(row, number, line);
    snprintf(says, sizeof says, ":2: %s: expected ", row->option);
    assert_config_line(line, says);
}

static void each_number_has_its_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_taken(&rows[i], rows[i].least);
        assert_taken(&rows[i], rows[i].most);
        assert_refused(&rows[i], rows[i].least - 1);
        assert_refused(&rows[i], rows[i].most + 1);
    }
}

static void each_number_has_its_default(void **state)
{
    (void)state;
    struct config *c = config_loaded("domains = { 'a.example' }");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].usual != NO_DEFAULT && value_of(c, rows[i].at, rows[i].size) != rows[i].usual)
            fail_msg("%s is %" PRId64, rows[i].option, value_of(c, rows[i].at, rows[i].size));
    config_unref(c);
}

static void each_flag_can_be_set_and_cleared(void **state)
{
    static const struct {
        const char *option;
        size_t at, size;
        bool usual;
    } flags[] = {
        {"rules.unsafe", FIELD(rules.unsafe), false},
        {"scan.refuse", FIELD(scan.refuse), false},
        {"scan.headers", FIELD(scan.headers), false},
        {"scan.all", FIELD(scan.all), false},
        {"confine.enabled", FIELD(confine.enabled), true},
        {"spool.migrate", FIELD(spool.migrate), false},
        {"history.subjects", FIELD(history.subjects), false},
        {"deliver.deny_private", FIELD(deliver.deny_private), false},
        {"forward.tls_fallback", FIELD(forward.tls_fallback), true},
        {"forward.srs", FIELD(forward.srs), true},
        {"auth.spf", FIELD(auth.spf), true},
        {"auth.dkim", FIELD(auth.dkim), true},
        {"auth.dmarc", FIELD(auth.dmarc), true},
        {"auth.enforce", FIELD(auth.enforce), false},
        {"auth.reverse_name", FIELD(auth.reverse_name), true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        for (int value = -1; value < 2; value++) { /* -1: nothing is said */
            char line[256] = "", text[300];
            if (value >= 0)
                write_line(flags[i].option, value ? "true" : "false", line);
            snprintf(text, sizeof text, "domains = { 'a.example' }\n%s", line);
            struct config *c = config_loaded(text);
            if (*(const bool *)((const char *)c + flags[i].at) !=
                (value < 0 ? flags[i].usual : value))
                fail_msg("%s, after '%s'", flags[i].option, line);
            config_unref(c);
        }
}

static void assert_pauses(const int64_t *pauses, size_t count, const int64_t *expected,
                          size_t expected_count)
{
    assert_int_equal(count, expected_count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pauses[i], expected[i]);
}

static void each_schedule_has_its_default(void **state)
{
    static const int64_t deliver[] = {MINUTE, 10 * MINUTE},
                         unreachable[] = {10000,       30000,       MINUTE, 5 * MINUTE,
                                          15 * MINUTE, 30 * MINUTE, HOUR},
                         forward[] = {MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE,
                                      HOUR,   2 * HOUR,   4 * HOUR};
    (void)state;
    struct config *c = config_loaded("domains = { 'a.example' }");
    assert_pauses(c->deliver.retry.schedule_ms, c->deliver.retry.schedule_count, deliver, 2);
    assert_pauses(c->deliver.retry.unreachable_ms, c->deliver.retry.unreachable_count, unreachable,
                  7);
    assert_pauses(c->forward.retry.schedule_ms, c->forward.retry.schedule_count, forward, 7);
    config_unref(c);
    assert_config_line("deliver = { schedule = { '0s', '30d' } }", NULL);
    assert_config_line("deliver = { schedule = { '0s', '2592000001ms' } }", "deliver.schedule: ");
    assert_config_line("deliver = { unreachable_schedule = { '30d' } }", NULL);
    assert_config_line("deliver = { unreachable_schedule = { '2592000001ms' } }",
                       "deliver.unreachable_schedule: ");
    assert_config_line("forward = { schedule = { '30d' } }", NULL);
    assert_config_line("forward = { schedule = { '2592000001ms' } }", "forward.schedule: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_number_has_its_limits),
        cmocka_unit_test(each_number_has_its_default),
        cmocka_unit_test(each_flag_can_be_set_and_cleared),
        cmocka_unit_test(each_schedule_has_its_default),
    };
    return cmocka_run_group_tests(tests, make_config, remove_config);
}
