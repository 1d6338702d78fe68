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
#include "deliver/private.h"
#include "base/redact.h"
#include "deliver/retry.h"

static int64_t schedule[] = {1000, 60000};
static const struct deliver_config config = {
    .max_per_origin = 20,
    .retry = {.attempts = 3, .schedule_ms = schedule, .schedule_count = 2},
    .breaker_failures = 3,
    .breaker_pause_ms = 100,
    .breaker_pause_max_ms = 350,
};
static const struct destination plain;

/* ---- Outcomes and pauses ---- */

static enum outcome outcome(int status, unsigned attempts)
{
    struct attempt_result result = {.status = status};
    return retry_outcome(&config.retry, &plain, attempts, &result);
}

static void a_status_decides(void **state)
{
    (void)state;
    assert_int_equal(outcome(200, 1), OUTCOME_DELIVERED);
    assert_int_equal(outcome(299, 3), OUTCOME_DELIVERED);
    assert_int_equal(outcome(300, 1), OUTCOME_RETRY);
    assert_int_equal(outcome(404, 2), OUTCOME_RETRY);
    assert_int_equal(outcome(0, 2), OUTCOME_RETRY);
    assert_int_equal(outcome(500, 3), OUTCOME_FAILED);
    assert_int_equal(outcome(410, 1), OUTCOME_FAILED);
    struct attempt_result hopeless = {.hopeless = true};
    assert_int_equal(retry_outcome(&config.retry, &plain, 1, &hopeless), OUTCOME_FAILED);
}

static enum outcome mail_outcome(int status, bool early, unsigned attempts)
{
    struct attempt_result result = {.protocol = PROTOCOL_SMTP, .status = status, .early = early};
    return retry_outcome(&config.retry, &plain, attempts, &result);
}

static void a_reply_of_smtp_decides(void **state)
{
    (void)state;
    assert_int_equal(mail_outcome(250, false, 1), OUTCOME_DELIVERED);
    assert_int_equal(mail_outcome(450, false, 1), OUTCOME_RETRY);
    assert_int_equal(mail_outcome(421, false, 2), OUTCOME_RETRY);
    assert_int_equal(mail_outcome(450, false, 3), OUTCOME_FAILED);
    assert_int_equal(mail_outcome(410, false, 1), OUTCOME_RETRY); /* that is HTTP's */
    assert_int_equal(mail_outcome(0, false, 1), OUTCOME_RETRY);
    assert_int_equal(mail_outcome(500, false, 1), OUTCOME_FAILED);
    assert_int_equal(mail_outcome(554, false, 1), OUTCOME_FAILED);
    assert_int_equal(mail_outcome(554, true, 1), OUTCOME_RETRY); /* not about the message */
    assert_int_equal(mail_outcome(535, true, 3), OUTCOME_FAILED);
}

static void a_destination_may_have_more_attempts(void **state)
{
    (void)state;
    int64_t pauses[] = {5, 6, 7, 8};
    struct attempt_result result = {.status = 500};
    struct destination to = {.attempts = 5};
    assert_int_equal(retry_outcome(&config.retry, &to, 4, &result), OUTCOME_RETRY);
    assert_int_equal(retry_outcome(&config.retry, &to, 5, &result), OUTCOME_FAILED);
    to = (struct destination){.schedule_ms = pauses, .schedule_count = 4};
    assert_int_equal(retry_outcome(&config.retry, &to, 4, &result), OUTCOME_RETRY);
    assert_int_equal(retry_outcome(&config.retry, &to, 5, &result), OUTCOME_FAILED);
    assert_int_equal(retry_pause_ms(&config.retry, &to, 4, &result, 0), 8);
}

static int64_t pause_of(unsigned attempts, int64_t retry_after_ms, uint32_t random)
{
    struct attempt_result result = {.status = 503, .retry_after_ms = retry_after_ms};
    return retry_pause_ms(&config.retry, &plain, attempts, &result, random);
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
    assert_int_equal(pause_of(1, RETRY_AFTER_MAX_MS + 1, 0), RETRY_AFTER_MAX_MS);
}

/* ---- The breaker ---- */

static enum breaker_change end(struct breaker *breaker, int status, int64_t now)
{
    struct attempt_result result = {.status = status};
    breaker_look(breaker, now);
    return breaker_note(breaker, &config, &result, 8, now);
}

static void a_breaker_opens_probes_and_closes(void **state)
{
    struct breaker b = {0};
    (void)state;
    assert_int_equal(end(&b, 500, 0), BREAKER_AS_IT_WAS);
    assert_int_equal(end(&b, 0, 0), BREAKER_AS_IT_WAS);
    assert_int_equal(breaker_allows(&b, &config), 20);
    assert_int_equal(end(&b, 500, 0), BREAKER_HAS_OPENED);
    assert_int_equal(b.until_ms, 100);
    assert_int_equal(breaker_allows(&b, &config), 0);
    breaker_look(&b, 99);
    assert_int_equal(breaker_allows(&b, &config), 0);
    breaker_look(&b, 100);
    assert_int_equal(breaker_allows(&b, &config), 1);
    assert_int_equal(end(&b, 0, 100), BREAKER_HAS_OPENED); /* twice as long, up to the most */
    assert_int_equal(b.until_ms, 300);
    assert_int_equal(end(&b, 0, 300), BREAKER_HAS_OPENED);
    assert_int_equal(b.until_ms, 650);
    assert_int_equal(end(&b, 200, 650), BREAKER_HAS_CLOSED);
    assert_int_equal(breaker_allows(&b, &config), 20);
    assert_int_equal(end(&b, 500, 650), BREAKER_AS_IT_WAS); /* it counts anew */
}

static bool counts(int status, bool early)
{
    struct breaker b = {0};
    struct attempt_result result = {.protocol = PROTOCOL_SMTP, .status = status, .early = early};
    breaker_note(&b, &config, &result, 8, 0);
    assert_int_equal(b.pace, 0);
    return b.failures > 0;
}

static void no_recipient_opens_the_breaker_of_a_mail_server(void **state)
{
    (void)state;
    assert_false(counts(250, false));
    assert_false(counts(450, false));
    assert_false(counts(550, false));
    assert_false(counts(503, false));
    assert_true(counts(0, false));
    assert_true(counts(421, false));
    assert_true(counts(554, true));
    assert_true(counts(535, true));
}

static void an_answer_in_between_keeps_it_closed(void **state)
{
    struct breaker b = {0};
    (void)state;
    for (int i = 0; i < 10; i++) {
        end(&b, 500, 0);
        end(&b, 500, 0);
        assert_int_equal(end(&b, i % 2 ? 404 : 200, 0), BREAKER_AS_IT_WAS);
    }
    assert_int_equal(b.state, BREAKER_CLOSED);
}

static void what_is_our_own_fault_does_not_count(void **state)
{
    struct breaker b = {0};
    struct attempt_result ours = {.ours = true}, hopeless = {.hopeless = true};
    (void)state;
    for (int i = 0; i < 10; i++) {
        breaker_note(&b, &config, &ours, 0, 0);
        breaker_note(&b, &config, &hopeless, 0, 0);
    }
    assert_int_equal(b.failures, 0);
    assert_int_equal(b.state, BREAKER_CLOSED);
}

static void a_429_halves_the_pace(void **state)
{
    struct breaker b = {0};
    (void)state;
    end(&b, 429, 0); /* with eight others under way */
    assert_int_equal(breaker_allows(&b, &config), 4);
    end(&b, 200, 0);
    assert_int_equal(breaker_allows(&b, &config), 5);
    for (int i = 0; i < 100; i++)
        end(&b, 200, 0);
    assert_int_equal(breaker_allows(&b, &config), 20);
    struct attempt_result busy = {.status = 429};
    breaker_note(&b, &config, &busy, 0, 0);
    assert_int_equal(breaker_allows(&b, &config), 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_decides),
        cmocka_unit_test(a_reply_of_smtp_decides),
        cmocka_unit_test(a_destination_may_have_more_attempts),
        cmocka_unit_test(pauses_follow_the_schedule),
        cmocka_unit_test(a_breaker_opens_probes_and_closes),
        cmocka_unit_test(no_recipient_opens_the_breaker_of_a_mail_server),
        cmocka_unit_test(an_answer_in_between_keeps_it_closed),
        cmocka_unit_test(what_is_our_own_fault_does_not_count),
        cmocka_unit_test(a_429_halves_the_pace),
        cmocka_unit_test(private_addresses_are_known),
        cmocka_unit_test(a_url_in_a_log_holds_no_secret),
        cmocka_unit_test(an_operator_sees_all_of_a_url_but_its_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
