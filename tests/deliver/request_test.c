/* What a request holds: its body, its signature, headers of its own. */
#include "rig.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/metrics.h"

static void a_large_body_arrives_whole_each_time(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = "", .read_only = 300000, .close = true}, {.bytes = BUSY},
          {.bytes = OK});
    struct payload *payload = rig_large_payload(rig, 1000);
    char *expected = bench_body(payload);
    size_t size = (size_t)payload_size(payload);
    struct delivery *d = bench_delivery_of("m-1", rig->url, payload);
    payload_free(payload);
    d->destination.secret = "abc"; /* signed in a thread */
    rig_post_delivery(rig, d);
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 3);
    for (size_t i = 1; i < 3; i++) {
        const struct received *r = receiver_request(rig->receiver, i);
        assert_int_equal(r->size, size);
        assert_memory_equal(r->body, expected, size);
        assert_non_null(rig_header(rig, i, "webhook-signature"));
    }
    free(expected);
}

/* A connection that was kept ends while the next request goes out on it: that is nobody's failure, and all of the
 * body goes out again on a new one. */
static void check_kept_connection(struct rig *rig, size_t tail_size)
{
    rig_post(rig, "m-0", rig->url);
    rig_run_until(rig, COUNT, 0);
    struct payload *payload = rig_large_payload(rig, tail_size);
    char *expected = bench_body(payload);
    size_t size = (size_t)payload_size(payload);
    struct delivery *d = bench_delivery_of("m-1", rig->url, payload);
    payload_free(payload);
    d->destination.secret = "abc";
    d->destination.attempts = 1;
    double repeated = metric_sum(METRIC_REQUESTS_REPEATED_TOTAL);
    rig_post_delivery(rig, d);
    rig_run_until(rig, COUNT, 0);
    assert_int_equal(receiver_count(rig->receiver), 3);
    assert_int_equal(metric_sum(METRIC_REQUESTS_REPEATED_TOTAL) - repeated, 1);
    assert_int_equal(receiver_connections(rig->receiver), 2);
    const struct received *r = receiver_request(rig->receiver, 2);
    assert_int_equal(r->size, size);
    assert_memory_equal(r->body, expected, size);
    assert_string_equal(rig_header(rig, 2, "webhook-id"), "m-1");
    free(expected);
}

static void a_kept_connection_that_ends_costs_no_attempt(void **state)
{
    struct rig *rig = *state;
    START(rig, "timeout = '60s'", {.bytes = OK}, {.bytes = "", .read_only = 300000, .close = true},
          {.bytes = OK});
    check_kept_connection(rig, 4000000);
}

/* It ends when all of the body was read: libcurl sees to that, and reads the body from its beginning. */
static void a_kept_connection_that_ends_after_the_body_costs_none(void **state)
{
    struct rig *rig = *state;
    START(rig, "timeout = '60s'", {.bytes = OK}, {.bytes = "", .close = true}, {.bytes = OK});
    check_kept_connection(rig, 1000);
}

/* Where an answer had begun, or the receiver had the request for long, it did not miss it: that is an attempt. */
static void check_kept_connection_is_an_attempt(struct rig *rig)
{
    double repeated = metric_sum(METRIC_REQUESTS_REPEATED_TOTAL);
    rig_post(rig, "m-0", rig->url);
    rig_run_until(rig, COUNT, 0);
    rig_post(rig, "m-1", rig->url);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(receiver_count(rig->receiver), 3);
    assert_int_equal(bench_query(rig->bench, STATE("attempts")), 2);
    assert_int_equal(metric_sum(METRIC_REQUESTS_REPEATED_TOTAL) - repeated, 0);
}

static void a_kept_connection_that_ends_inside_the_answer_costs_one(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 2", {.bytes = OK},
          {.bytes = "HTTP/1.1 200 OK\r\nx-a: b\r\n", .reset = true});
    check_kept_connection_is_an_attempt(rig);
}

static void a_kept_connection_that_ends_after_a_100_costs_one(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 2", {.bytes = OK},
          {.bytes = "HTTP/1.1 100 Continue\r\n\r\n", .reset = true});
    check_kept_connection_is_an_attempt(rig);
}

static void a_kept_connection_that_ends_after_long_thought_costs_one(void **state)
{
    struct rig *rig = *state;
    START(rig, "attempts = 2, first_byte_timeout = '2s'", {.bytes = OK},
          {.bytes = "", .delay_ms = 400, .close = true}, {.bytes = "", .close = true});
    check_kept_connection_is_an_attempt(rig);
    rig_check_error(rig, "Empty reply from server");
}

static void the_signature_is_that_of_standard_webhooks(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    struct delivery *d = bench_delivery("m-1", rig->url, "{\"test\": 2432232314}");
    d->destination.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw plain";
    rig_post_delivery(rig, d);
    rig_run_until(rig, COUNT, 0);

    static const unsigned char key[] = {0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a,
                                        0xab, 0x4f, 0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c,
                                        0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0};
    char text[200], expected[200] = "v1,";
    unsigned char hash[32];
    int size = snprintf(text, sizeof text, "m-1.%s.{\"test\": 2432232314}",
                        rig_header(rig, 0, "webhook-timestamp"));
    HMAC(EVP_sha256(), key, sizeof key, (unsigned char *)text, (size_t)size, hash, NULL);
    EVP_EncodeBlock((unsigned char *)expected + 3, hash, 32);
    strcat(expected, " v1,");
    HMAC(EVP_sha256(), "plain", 5, (unsigned char *)text, (size_t)size, hash, NULL);
    EVP_EncodeBlock((unsigned char *)expected + strlen(expected), hash, 32);
    assert_string_equal(rig_header(rig, 0, "webhook-signature"), expected);
}

/* What a secret named so signs with must be "plain". */
static void check_reference(struct rig *rig, const char *reference)
{
    char text[200], expected[100] = "v1,";
    unsigned char hash[32];
    struct delivery *d = bench_delivery("m-1", rig->url, "body");
    size_t request = receiver_count(rig->receiver);
    d->destination.secret = reference;
    rig_post_delivery(rig, d);
    rig_run_until(rig, COUNT, 0);
    int size =
        snprintf(text, sizeof text, "m-1.%s.body", rig_header(rig, request, "webhook-timestamp"));
    HMAC(EVP_sha256(), "plain", 5, (unsigned char *)text, (size_t)size, hash, NULL);
    EVP_EncodeBlock((unsigned char *)expected + 3, hash, 32);
    assert_string_equal(rig_header(rig, request, "webhook-signature"), expected);
}

static void a_secret_may_stand_in_a_file_or_the_environment(void **state)
{
    struct rig *rig = *state;
    char reference[128];
    START(rig, "", {.bytes = OK});
    snprintf(reference, sizeof reference, "file:%s/secret", rig->bench->directory);
    FILE *file = fopen(reference + 5, "w");
    fputs("plain\n", file);
    fclose(file);
    check_reference(rig, reference);
    setenv("MXHOOK_TEST_SECRET", "plain", 1);
    check_reference(rig, "env:MXHOOK_TEST_SECRET");

    struct delivery *d = bench_delivery("m-2", rig->url, "x");
    d->destination.secret = "env:MXHOOK_THERE_IS_NONE";
    d->destination.attempts = 1;
    rig_post_delivery(rig, d);
    rig_run_until(rig, FAILED, 1);
    rig_check_error(rig, "its secret: env:MXHOOK_THERE_IS_NONE is not set");
}

static void a_secret_that_cannot_sign_fails_it(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    struct delivery *d = bench_delivery("m-1", rig->url, "x");
    d->destination.secret = "whsec_!!!";
    rig_post_delivery(rig, d);
    rig_run_until(rig, FAILED, 1);
    assert_int_equal(receiver_count(rig->receiver), 0);
}

static void a_destination_has_headers_of_its_own(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    const char *headers[] = {"Authorization: Bearer 123", "X-Tenant: seven"};
    struct destination destination = {.url = rig->url, .headers = headers, .header_count = 2};
    struct delivery *d = bench_delivery("m-1", rig->url, "x");
    assert_int_equal(delivery_set_destination(d, &destination), 0);
    rig_post_delivery(rig, d);
    rig_run_until(rig, COUNT, 0);
    assert_string_equal(rig_header(rig, 0, "authorization"), "Bearer 123");
    assert_string_equal(rig_header(rig, 0, "x-tenant"), "seven");
}

static void post_with_headers(struct rig *rig, const char *const *headers, size_t count)
{
    struct destination destination = {
        .url = rig->url, .headers = (const char **)headers, .header_count = count, .attempts = 1};
    struct delivery *d = bench_delivery("m-1", rig->url, "x");
    assert_int_equal(delivery_set_destination(d, &destination), 0);
    rig_post_delivery(rig, d);
}

static void a_header_s_value_may_stand_in_a_file_or_the_environment(void **state)
{
    struct rig *rig = *state;
    char file[128];
    START(rig, "", {.bytes = OK});
    snprintf(file, sizeof file, "Authorization=file:%s/token", rig->bench->directory);
    FILE *token = fopen(file + strlen("Authorization=file:"), "w");
    fputs("Bearer 123\n", token);
    fclose(token);
    setenv("MXHOOK_TEST_KEY", "key", 1);
    const char *headers[] = {"X-Literal: env:MXHOOK_TEST_KEY", file, "X-Key=env:MXHOOK_TEST_KEY"};
    post_with_headers(rig, headers, 3);
    rig_run_until(rig, COUNT, 0);
    post_with_headers(rig, &headers[2], 1); /* no thread is needed */
    rig_run_until(rig, COUNT, 0);
    assert_string_equal(rig_header(rig, 0, "authorization"), "Bearer 123");
    assert_string_equal(rig_header(rig, 0, "x-literal"), "env:MXHOOK_TEST_KEY");
    assert_string_equal(rig_header(rig, 0, "x-key"), "key");
    assert_string_equal(rig_header(rig, 1, "x-key"), "key");
}

static void a_header_s_value_that_is_not_there_fails_it(void **state)
{
    struct rig *rig = *state;
    START(rig, "", {.bytes = OK});
    setenv("MXHOOK_TEST_KEY", "two\nlines", 1);
    const char *headers[] = {"X-Key=env:MXHOOK_TEST_KEY", "X-Key=file:/nowhere/key"};
    post_with_headers(rig, headers, 1);
    rig_run_until(rig, FAILED, 1);
    rig_check_error(rig, "env:MXHOOK_TEST_KEY holds a control character");
    post_with_headers(rig, headers + 1, 1);
    rig_run_until(rig, FAILED, 2);
    rig_check_error(rig, "file:/nowhere/key: No such file%");
    assert_int_equal(receiver_count(rig->receiver), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_large_body_arrives_whole_each_time),
        RIG_TEST(a_kept_connection_that_ends_costs_no_attempt),
        RIG_TEST(a_kept_connection_that_ends_after_the_body_costs_none),
        RIG_TEST(a_kept_connection_that_ends_inside_the_answer_costs_one),
        RIG_TEST(a_kept_connection_that_ends_after_a_100_costs_one),
        RIG_TEST(a_kept_connection_that_ends_after_long_thought_costs_one),
        RIG_TEST(the_signature_is_that_of_standard_webhooks),
        RIG_TEST(a_secret_may_stand_in_a_file_or_the_environment),
        RIG_TEST(a_secret_that_cannot_sign_fails_it),
        RIG_TEST(a_destination_has_headers_of_its_own),
        RIG_TEST(a_header_s_value_may_stand_in_a_file_or_the_environment),
        RIG_TEST(a_header_s_value_that_is_not_there_fails_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
