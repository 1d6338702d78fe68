/* What needs no network: outcomes, pauses, the breaker, private addresses, URLs in logs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "deliver/breaker.h"
#include "deliver/retry_after.h"
#include "deliver/private.h"
#include "base/redact.h"
#include "deliver/retry.h"
#include "deliver/traceparent.h"
#include "deliver/result_class.h"

static int64_t schedule[] = {1000, 60000}, unreachable[] = {100, 1000, 5000};
static const struct deliver_config config = {
    .max_per_origin = 20,
    .retry = {.attempts = 3,
              .schedule_ms = schedule,
              .schedule_count = 2,
              .unreachable_ms = unreachable,
              .unreachable_count = 3},
    .breaker_failures = 3,
    .breaker_pause_ms = 100,
    .breaker_pause_max_ms = 350,
};
static const struct destination plain;

/* ---- Classes of results ---- */

static enum result_class class(int status, bool sent, int64_t retry_after_ms) {
    struct attempt_result result = {.status = status,
                                    .sent = sent,
                                    .retry_after_ms = retry_after_ms};
    return result_class_of(&result);
}

static void a_status_decides(void **state)
{
    (void)state;
    assert_int_equal(class(200, true, 0), RESULT_DELIVERED);
    assert_int_equal(class(299, true, 0), RESULT_DELIVERED);
    assert_int_equal(class(101, true, 0), RESULT_REFUSED);
    assert_int_equal(class(199, true, 0), RESULT_REFUSED);
    assert_int_equal(class(300, true, 0), RESULT_REFUSED);
    assert_int_equal(class(404, false, 0), RESULT_REFUSED);
    assert_int_equal(class(410, true, 0), RESULT_GONE);
    assert_int_equal(class(499, true, 0), RESULT_REFUSED);
    assert_int_equal(class(500, true, 0), RESULT_FAILING);
    assert_int_equal(class(500, true, 1000), RESULT_FAILING);
    assert_int_equal(class(429, true, 0), RESULT_SLOW_DOWN);
    assert_int_equal(class(429, true, 1000), RESULT_SLOW_DOWN);
    assert_int_equal(class(503, true, 0), RESULT_FAILING);
    assert_int_equal(class(503, true, 1), RESULT_SLOW_DOWN);
}

static void without_an_answer_it_matters_what_was_sent(void **state)
{
    (void)state;
    assert_int_equal(class(0, false, 0), RESULT_UNREACHED);
    assert_int_equal(class(0, true, 0), RESULT_FAILING);
    struct attempt_result broken = {.broken = true}, ours = {.ours = true};
    struct attempt_result hopeless = {.hopeless = true, .ours = true};
    assert_int_equal(result_class_of(&broken), RESULT_FAILING);
    assert_int_equal(result_class_of(&ours), RESULT_OURS);
    assert_int_equal(result_class_of(&hopeless), RESULT_FINAL);
}

static enum result_class of_mail(int status, bool early)
{
    struct attempt_result result = {.protocol = PROTOCOL_SMTP, .status = status, .early = early};
    return result_class_of(&result);
}

static void a_reply_of_smtp_decides(void **state)
{
    (void)state;
    assert_int_equal(of_mail(250, false), RESULT_DELIVERED);
    assert_int_equal(of_mail(450, false), RESULT_REFUSED);
    assert_int_equal(of_mail(410, false), RESULT_REFUSED); /* that is HTTP's */
    assert_int_equal(of_mail(429, false), RESULT_REFUSED);
    assert_int_equal(of_mail(500, false), RESULT_FINAL);
    assert_int_equal(of_mail(503, false), RESULT_FINAL);
    assert_int_equal(of_mail(554, false), RESULT_FINAL);
    assert_int_equal(of_mail(554, true), RESULT_UNREACHED); /* not about the message */
    assert_int_equal(of_mail(535, true), RESULT_UNREACHED);
    assert_int_equal(of_mail(421, false), RESULT_UNREACHED);
    assert_int_equal(of_mail(0, false), RESULT_UNREACHED);
}

static void attempts_are_what_reached_the_receiver(void **state)
{
    (void)state;
    assert_true(result_class_costs(RESULT_REFUSED, PROTOCOL_HTTP));
    assert_true(result_class_costs(RESULT_FAILING, PROTOCOL_HTTP));
    assert_true(result_class_costs(RESULT_GONE, PROTOCOL_HTTP));
    assert_false(result_class_costs(RESULT_SLOW_DOWN, PROTOCOL_HTTP));
    assert_false(result_class_costs(RESULT_UNREACHED, PROTOCOL_HTTP));
    assert_true(result_class_costs(RESULT_OURS, PROTOCOL_HTTP));
    assert_true(result_class_costs(RESULT_UNREACHED, PROTOCOL_SMTP)); /* it has four days of them */
}

/* ---- Outcomes and pauses ---- */

static struct retry_terms terms(enum result_class class, unsigned attempts)
{
    return (struct retry_terms){
        .config = &config.retry, .destination = &plain, .class = class, .attempts = attempts};
}

static enum outcome outcome(enum result_class class, unsigned attempts)
{
    struct retry_terms t = terms(class, attempts);
    return retry_outcome(&t);
}

static void attempts_are_counted(void **state)
{
    (void)state;
    assert_int_equal(outcome(RESULT_DELIVERED, 3), OUTCOME_DELIVERED);
    assert_int_equal(outcome(RESULT_REFUSED, 2), OUTCOME_RETRY);
    assert_int_equal(outcome(RESULT_REFUSED, 3), OUTCOME_FAILED);
    assert_int_equal(outcome(RESULT_FAILING, 2), OUTCOME_RETRY);
    assert_int_equal(outcome(RESULT_FAILING, 3), OUTCOME_FAILED);
    assert_int_equal(outcome(RESULT_GONE, 1), OUTCOME_FAILED);
    assert_int_equal(outcome(RESULT_FINAL, 1), OUTCOME_FAILED);
    assert_int_equal(outcome(RESULT_UNREACHED, 3), OUTCOME_RETRY);
    assert_int_equal(outcome(RESULT_SLOW_DOWN, 3), OUTCOME_RETRY);
    assert_int_equal(outcome(RESULT_OURS, 3), OUTCOME_FAILED);
    struct retry_terms mail = terms(RESULT_UNREACHED, 3);
    mail.protocol = PROTOCOL_SMTP;
    assert_int_equal(retry_outcome(&mail), OUTCOME_FAILED);
}

static void a_destination_may_have_more_attempts(void **state)
{
    (void)state;
    int64_t pauses[] = {5, 6, 7, 8};
    struct destination to = {.attempts = 5};
    struct retry_terms t = terms(RESULT_FAILING, 4);
    t.destination = &to;
    assert_int_equal(retry_outcome(&t), OUTCOME_RETRY);
    t.attempts = 5;
    assert_int_equal(retry_outcome(&t), OUTCOME_FAILED);
    to = (struct destination){.attempts = 1};
    t.attempts = 1;
    assert_int_equal(retry_outcome(&t), OUTCOME_FAILED);
    to = (struct destination){.schedule_ms = pauses, .schedule_count = 4};
    t.attempts = 4;
    assert_int_equal(retry_outcome(&t), OUTCOME_RETRY);
    assert_int_equal(retry_pause_ms(&t), 8);
    t.attempts = 5;
    assert_int_equal(retry_outcome(&t), OUTCOME_FAILED);
}

static int64_t pause_of(unsigned attempts, int64_t asked_ms, uint32_t random)
{
    struct retry_terms t = terms(RESULT_FAILING, attempts);
    t.asked_ms = asked_ms;
    t.random = random;
    return retry_pause_ms(&t);
}

static void pauses_follow_the_schedule(void **state)
{
    (void)state;
    assert_int_equal(pause_of(1, 0, 0), 1000);
    assert_int_equal(pause_of(2, 0, 0), 60000);
    assert_int_equal(pause_of(9, 0, 0), 60000);
    assert_in_range(pause_of(1, 0, 1023), 1090, 1100);
    assert_int_equal(pause_of(1, 5000, 0), 5000);
    assert_int_equal(pause_of(2, 5000, 0), 60000);
    assert_int_equal(pause_of(1, RETRY_AFTER_MAX_MS, 0), RETRY_AFTER_MAX_MS);
    assert_int_equal(pause_of(1, RETRY_AFTER_MAX_MS, 1023), RETRY_AFTER_MAX_MS);
    assert_int_equal(pause_of(1, RETRY_AFTER_MAX_MS + 1, 0), RETRY_AFTER_MAX_MS);
}

static int64_t unreachable_pause(int64_t down_ms)
{
    struct retry_terms t = terms(RESULT_UNREACHED, 0);
    t.down_ms = down_ms;
    return retry_pause_ms(&t);
}

static void one_that_is_down_is_asked_less_and_less_often(void **state)
{
    (void)state;
    assert_int_equal(unreachable_pause(0), 100);
    assert_int_equal(unreachable_pause(99), 100);
    assert_int_equal(unreachable_pause(100), 1000);
    assert_int_equal(unreachable_pause(1099), 1000);
    assert_int_equal(unreachable_pause(1100), 5000);
    assert_int_equal(unreachable_pause(INT64_MAX), 5000);
}

/* ---- What an answer asks for ---- */

#define NOW_MS 1784108096000ll /* 2026-07-15 09:34:56 */

static int64_t asked(int status, const char *first, const char *second)
{
    struct wait_asked wait = {0};
    wait_read_header(&wait, first, strlen(first), NOW_MS);
    wait_read_header(&wait, second, strlen(second), NOW_MS);
    return wait_asked_ms(&wait, status);
}

static void check_asked(const char *line, int64_t ms)
{
    if (asked(429, line, "") != ms)
        fail_msg("%s: %lld ms", line, (long long)asked(429, line, ""));
}

static void retry_after_is_read_in_all_forms(void **state)
{
    (void)state;
    check_asked("Retry-After: 120\r\n", 120000);
    check_asked("retry-after:7", 7000);
    check_asked("RETRY-AFTER: \t 7 \t\r\n", 7000);
    check_asked("Retry-After: 1.5", 1500);
    check_asked("Retry-After: 30s", 30000);
    check_asked("Retry-After: 1m30s", 90000);
    check_asked("Retry-After: 86400", WAIT_MAX_MS);
    check_asked("Retry-After: 86401", WAIT_MAX_MS);
    check_asked("Retry-After: 99999999999999999999999", WAIT_MAX_MS);
    check_asked("Retry-After: 0", 1000);
    check_asked("Retry-After: Wed, 15 Jul 2026 09:35:56 GMT", 60000);
    check_asked("Retry-After: Wednesday, 15-Jul-26 09:35:56 GMT", 60000);
    check_asked("Retry-After: Wed Jul 15 09:35:56 2026", 60000);
    check_asked("Retry-After: Wed, 15 Jul 2026 08:00:00 GMT", 1000); /* it is over */
    check_asked("Retry-After: Fri, 31 Dec 2032 23:59:59 GMT", WAIT_MAX_MS);
    check_asked("Retry-After: 2026-07-15T09:35:56Z", 60000);
    check_asked("Retry-After: 2026-07-15T11:35:56+02:00", 60000);
    check_asked("Retry-After: 2026-07-15 05:05:56.25-04:30", 60000);
    check_asked("Retry-After: \"120\"", 120000);
    check_asked("Retry-After: 120; comment", 120000);
    check_asked("Retry-After: 90 seconds", 90000);
    check_asked("Retry-After: 2 Minutes", 120000);
    check_asked("Retry-After: 1 hour 30 min", 5400000);
    check_asked("Retry-After: 5, 60, 7", 60000);
    check_asked("Retry-After: 0.25", 250);
    check_asked("Retry-After: 0.0001", 1);
    check_asked("Retry-After: 7.", 7000);
    check_asked("Retry-After: 1784108126", 30000);      /* some write a time there */
    check_asked("Retry-After: 999999999", WAIT_MAX_MS); /* and no time yet */
    check_asked("Retry-After: 1000000000", 1000);
    check_asked("Retry-After: 999999999999", WAIT_MAX_MS);
    check_asked("Retry-After: 1000000000000", 1000); /* in ms */
    check_asked("Retry-After: 3 sec", 3000);
    check_asked("Retry-After: 1 second", 1000);
    check_asked("Retry-After: 1minute 2mins", 180000);
    check_asked("Retry-After: 2 hours", 7200000);
    check_asked("Retry-After: 0.5 days", 43200000);
    check_asked("Retry-After: 1 day", WAIT_MAX_MS);
    check_asked("Retry-After-Ms: 250", 250);
    check_asked("X-Retry-After: 30", 30000);
    check_asked("X-RateLimit-Retry-After: 30", 30000);
    check_asked("X-Rate-Limit-Retry-After-Seconds: 30", 30000);
    check_asked("x-ms-retry-after-ms: 1500", 1500);
}

static void rate_limits_are_read_in_all_forms(void **state)
{
    (void)state;
    check_asked("RateLimit-Reset: 30", 30000);
    check_asked("RateLimit: limit=100, remaining=0, reset=30", 30000);
    check_asked("RateLimit: \"default\";r=0;t=30", 30000);
    check_asked("RateLimit: \"a\";r=0;t=3, \"b\";r=0;t=30", 30000);
    check_asked("RateLimit: \"burst\";r=0;t=3, \"day\";r=900;t=40000", 3000); /* what is used up */
    check_asked("RateLimit: \"day\";r=900;t=40000, \"burst\";r=1;t=3", 3000);
    check_asked("RateLimit: \"a;t=9,r=0\";r=0;t=3;pk=:QQ==:", 3000);
    check_asked("RateLimit: default;R=0;T=86400", WAIT_MAX_MS);
    check_asked("RateLimit: \"a\";r=0;t=99999999", WAIT_MAX_MS);
    check_asked("RateLimit: \"a\";r=0;t=0", 1000);
    check_asked("RateLimit: limit=100, remaining=5, reset=30", 30000);
    check_asked("RateLimit-Reset: 30;w=60", 30000);
    check_asked("X-RateLimit-Reset-Ms: 1500", 1500);
    check_asked("X-RateLimit-Reset-In: 5 s", 5000);
    check_asked("X-RateLimit-Reset: 30", 30000);
    check_asked("X-RateLimit-Reset: 1784108126", 30000);
    check_asked("X-RateLimit-Reset: 1784108126000", 30000);
    check_asked("X-RateLimit-Reset: 1784108000", 1000);
    check_asked("X-Rate-Limit-Reset: 30", 30000);
    check_asked("X-RateLimit-Reset-After: 1.25", 1250);
    check_asked("X-RateLimit-Reset-Requests: 6m0s", 360000);
    check_asked("X-RateLimit-Reset-Tokens: 20ms", 20);
    check_asked("X-RateLimit-Reset: Wed, 15 Jul 2026 09:35:56 GMT", 60000);
}

static void what_is_no_time_says_nothing(void **state)
{
    static const char *const lines[] = {"",
                                        ":",
                                        "Retry-After",
                                        "Retry-After:",
                                        "Retry-After: ",
                                        "Retry-After: soon",
                                        "Retry-After: -5",
                                        "Retry-After: 5 parsecs",
                                        "Retry-After: 5parsecs",
                                        "Retry-After: .",
                                        "Retry-After: 1e",
                                        "Retry-After: 1.2.3",
                                        "Retry-After: +5",
                                        "Retry-After: .5",
                                        "Retry-After: 5, soon",
                                        "Retry-After: ,",
                                        "Retry-After: \"\"",
                                        "Retry-After: NaN",
                                        "Retry-After: inf",
                                        "Retry-After: 0x10",
                                        "Retry-After: 2026-07",
                                        "RateLimit: limit=5",
                                        "RateLimit: \"a\";r=0",
                                        "RateLimit: \"a\";t=",
                                        "RateLimit: \"a;t=5",
                                        "RateLimit-Policy: \"a\";q=100;w=60",
                                        "X-RateLimit-Retry: 5",
                                        "RateLimit: reset=",
                                        "RateLimit: preset=5",
                                        "X-RateLimit-Limit: 5",
                                        "X-RateLimit-Remaining: 0",
                                        "X-Retry: 5",
                                        "Retry-Afterwards: 5"};
    char line[400];
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        check_asked(lines[i], 0);
    memset(line, '1', sizeof line);
    memcpy(line, "Retry-After: ", 13);
    line[sizeof line - 1] = 0;
    check_asked(line, 0);
}

static void retry_after_comes_first(void **state)
{
    (void)state;
    assert_int_equal(asked(429, "RateLimit-Reset: 60", "Retry-After: 5"), 5000);
    assert_int_equal(asked(429, "Retry-After-Ms: 250", "Retry-After: 5"), 250);
    assert_int_equal(asked(429, "Retry-After: 5", "Retry-After-Ms: 250"), 250);
    assert_int_equal(asked(429, "RateLimit-Reset: 60", "X-RateLimit-Reset: 90"), 90000);
    assert_int_equal(asked(429, "Retry-After: 5", "Retry-After: 60"),
                     60000); /* not to be, but is */
    assert_int_equal(asked(429, "Retry-After: 60", "Retry-After: 5"), 60000);
    assert_int_equal(asked(503, "X-Retry-After: 5", ""), 5000);
    assert_int_equal(asked(503, "X-Retry-After: 60", "Retry-After: 5"), 5000);
    assert_int_equal(asked(429, "Retry-After: soon", "RateLimit-Reset: 60"), 60000);
    assert_int_equal(asked(503, "RateLimit-Reset: 60", ""), 0); /* each answer may have it */
    assert_int_equal(asked(200, "X-RateLimit-Reset: 60", ""), 0);
    assert_int_equal(asked(503, "Retry-After: 60", ""), 60000);
}

/* ---- The breaker ---- */

static void a_breaker_opens_probes_and_closes(void **state)
{
    struct breaker b = {0};
    (void)state;
    assert_int_equal(breaker_failed(&b, &config, 0), BREAKER_AS_IT_WAS);
    assert_int_equal(breaker_failed(&b, &config, 0), BREAKER_AS_IT_WAS);
    assert_int_equal(b.state, BREAKER_CLOSED);
    assert_int_equal(breaker_failed(&b, &config, 0), BREAKER_HAS_OPENED);
    assert_int_equal(b.until_ms, 100);
    breaker_look(&b, 99);
    assert_int_equal(b.state, BREAKER_OPEN);
    breaker_look(&b, 100);
    assert_int_equal(b.state, BREAKER_PROBING);
    assert_int_equal(breaker_failed(&b, &config, 100), BREAKER_HAS_OPENED); /* twice as long */
    assert_int_equal(b.until_ms, 300);
    breaker_look(&b, 300);
    assert_int_equal(breaker_failed(&b, &config, 300), BREAKER_HAS_OPENED); /* up to the most */
    assert_int_equal(b.until_ms, 650);
    breaker_look(&b, 650);
    assert_int_equal(breaker_succeeded(&b), BREAKER_HAS_CLOSED);
    assert_true(breaker_at_rest(&b));
    assert_int_equal(breaker_failed(&b, &config, 650), BREAKER_AS_IT_WAS); /* it counts anew */
}

static void an_answer_in_between_keeps_it_closed(void **state)
{
    struct breaker b = {0};
    (void)state;
    for (int i = 0; i < 10; i++) {
        breaker_failed(&b, &config, 0);
        breaker_failed(&b, &config, 0);
        assert_int_equal(breaker_succeeded(&b), BREAKER_AS_IT_WAS);
    }
    assert_int_equal(b.state, BREAKER_CLOSED);
}

/* ---- Addresses ---- */

static bool is_private(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return private_address((struct sockaddr *)&in);
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return private_address((struct sockaddr *)&in6);
}

static void private_addresses_are_known(void **state)
{
    static const char *const private[] = {
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2002:a00:1::",
        "2001::1",
        "2001:1ff::1",
        "2001:db8::1",
        "3fff::1",
        "3fff:fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "100::1",
        "5f00::1",
    };
    static const char *const public[] = {
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.1",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:1.1.1.1",
        "64:ff9b::101:1",
        "2002:101:101::1",
        "2001:200::1",
        "2606:4700:4700::1111",
        "3ffe:ffff::1",
        "2a00:1450::1",
        "2001:4860:4860::8888",
    };
    (void)state;
    for (size_t i = 0; i < sizeof private / sizeof *private; i++)
        if (!is_private(private[i]))
            fail_msg("%s is private", private[i]);
    for (size_t i = 0; i < sizeof public / sizeof *public; i++)
        if (is_private(public[i]))
            fail_msg("%s is public", public[i]);
    struct sockaddr local = {.sa_family = AF_UNIX};
    assert_true(private_address(&local));
}

/* ---- Logs ---- */

static void check_redacted(const char *url, const char *expected)
{
    char shown[REDACT_SIZE];
    redact_url(url, shown);
    assert_string_equal(shown, expected);
}

static void a_url_in_a_log_holds_no_secret(void **state)
{
    (void)state;
    check_redacted("https://a.example/x", "https://a.example/x");
    check_redacted("https://user:pass@a.example/x?key=1#f", "https://a.example/x");
    check_redacted("https://u:p@ss@a.example", "https://a.example");
    check_redacted("https://a.example?user@x", "https://a.example");
    check_redacted("https://a.example/u@x", "https://a.example/u@x");
    check_redacted("boss@a.example", "boss@a.example");
}

static void an_operator_sees_all_of_a_url_but_its_password(void **state)
{
    (void)state;
    const char *rest;
    assert_int_equal(redact_userinfo("https://u:p@a.example/x?key=1", &rest), 8);
    assert_string_equal(rest, "a.example/x?key=1");
    assert_int_equal(redact_userinfo("https://a.example/@x", &rest), 8);
    assert_string_equal(rest, "a.example/@x");
    assert_int_equal(redact_userinfo("boss@a.example", &rest), 0);
    assert_string_equal(rest, "boss@a.example");
}

/* The keys of the hashes are part of it: all attempts of a message are one trace, whatever version makes them. */
static void a_trace_is_a_hash_of_the_ids(void **state)
{
    char header[TRACEPARENT_SIZE];
    (void)state;
    traceparent_write(header, "01m85s02w8cke2ap-1-2", 3);
    assert_string_equal(header,
                        "traceparent: 00-5a26e9d3f576301d42d26e269599d3de-747c42c8da0454a5-01");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_decides),
        cmocka_unit_test(without_an_answer_it_matters_what_was_sent),
        cmocka_unit_test(a_reply_of_smtp_decides),
        cmocka_unit_test(attempts_are_what_reached_the_receiver),
        cmocka_unit_test(attempts_are_counted),
        cmocka_unit_test(a_destination_may_have_more_attempts),
        cmocka_unit_test(pauses_follow_the_schedule),
        cmocka_unit_test(one_that_is_down_is_asked_less_and_less_often),
        cmocka_unit_test(retry_after_is_read_in_all_forms),
        cmocka_unit_test(rate_limits_are_read_in_all_forms),
        cmocka_unit_test(what_is_no_time_says_nothing),
        cmocka_unit_test(retry_after_comes_first),
        cmocka_unit_test(a_breaker_opens_probes_and_closes),
        cmocka_unit_test(an_answer_in_between_keeps_it_closed),
        cmocka_unit_test(private_addresses_are_known),
        cmocka_unit_test(a_trace_is_a_hash_of_the_ids),
        cmocka_unit_test(a_url_in_a_log_holds_no_secret),
        cmocka_unit_test(an_operator_sees_all_of_a_url_but_its_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
