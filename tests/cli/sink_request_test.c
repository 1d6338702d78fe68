/* What `mxhook sink` reads of a request, and whether its signature is right. */
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/sink_request.h"
#include "deliver/sign.h"

#define BODY "{\"n\": 1}"

static struct sink_request parsed(const char *text)
{
    struct sink_request r;
    assert_int_equal(sink_request_parse(text, strlen(text), &r), 1);
    return r;
}

static void assert_header(const char *text, const char *name, const char *expected)
{
    char value[SINK_VALUE_SIZE];
    struct sink_request r = parsed(text);
    assert_string_equal(sink_request_header(&r, name, value), expected);
}

static void headers_are_found_by_their_whole_names(void **state)
{
    (void)state;
    static const char text[] = "POST / HTTP/1.1\r\nX-A-B: long\r\nx-a:one\r\nX-A: "
                               "two\r\nX-Empty:\r\nLast: \t l \r\n\r\nX-Body: no";
    assert_header(text, "X-A", "one");
    assert_header(text, "x-a-b", "long");
    assert_header(text, "X-Empty", "");
    assert_header(text, "X", "");
    assert_header(text, "last", "l ");
    assert_header(text, "X-Body", "");
}

static void a_long_value_is_cut(void **state)
{
    (void)state;
    char text[SINK_VALUE_SIZE + 100], value[SINK_VALUE_SIZE];
    for (int size = SINK_VALUE_SIZE - 1; size <= SINK_VALUE_SIZE; size++) {
        snprintf(text, sizeof text, "P\r\nA: %0*d\r\n\r\n", size, 7);
        struct sink_request r = parsed(text);
        assert_int_equal(strlen(sink_request_header(&r, "a", value)), SINK_VALUE_SIZE - 1);
        assert_int_equal(value[SINK_VALUE_SIZE - 2], size == SINK_VALUE_SIZE ? '0' : '7');
    }
}

static void a_request_is_whole_or_not(void **state)
{
    (void)state;
    static const char whole[] = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST /2";
    struct sink_request r;
    size_t head = sizeof whole - 1 - strlen("abcPOST /2");
    char bytes[sizeof whole];
    for (size_t size = 0; size < sizeof whole; size++) {
        memcpy(bytes, whole, sizeof whole);
        bytes[size] = 0;
        assert_int_equal(sink_request_parse(bytes, size, &r), size >= head + 3);
    }
    assert_int_equal(r.head_size, head);
    assert_int_equal(r.body_size, 3);
    assert_memory_equal(r.body, "abc", 3);
}

static void what_is_refused(void **state)
{
    (void)state;
    struct sink_request r;
    char text[200];
    static const char chunked[] = "P\r\nTransfer-Encoding: chunked\r\n\r\n",
                      letters[] = "P\r\nContent-Length: 3x\r\n\r\n";
    assert_int_equal(sink_request_parse(chunked, sizeof chunked - 1, &r), 411);
    assert_int_equal(sink_request_parse(letters, sizeof letters - 1, &r), 413);
    snprintf(text, sizeof text, "P\r\nContent-Length: %llu\r\n\r\n", SINK_BODY_MAX);
    assert_int_equal(sink_request_parse(text, strlen(text), &r), 0);
    snprintf(text, sizeof text, "P\r\nContent-Length: %llu\r\n\r\n", SINK_BODY_MAX + 1);
    assert_int_equal(sink_request_parse(text, strlen(text), &r), 413);
    char *head = malloc(SINK_HEAD_MAX + 2);
    memset(head, 'a', SINK_HEAD_MAX + 1);
    head[SINK_HEAD_MAX] = 0;
    assert_int_equal(sink_request_parse(head, SINK_HEAD_MAX, &r), 0);
    head[SINK_HEAD_MAX] = 'a', head[SINK_HEAD_MAX + 1] = 0;
    assert_int_equal(sink_request_parse(head, SINK_HEAD_MAX + 1, &r), 431);
    free(head);
}

/* The signatures that destinations make with this secret, "" where it cannot. */
static void sign(const char *secret, int64_t timestamp, char out[SIGN_SIZE])
{
    struct payload payload = {.head = spill_from_bytes(BODY, sizeof BODY - 1)};
    assert_int_equal(sign_payload(secret, "m-1", timestamp, &payload, out, NULL), 0);
    spill_free(payload.head);
}

static const char *check(const char *secret, int64_t timestamp, const char *signature)
{
    char text[4096];
    snprintf(text, sizeof text,
             "POST / HTTP/1.1\r\nwebhook-id: m-1\r\nwebhook-timestamp: %lld\r\nwebhook-signature: "
             "%s\r\ncontent-length: %zu\r\n\r\n" BODY,
             (long long)timestamp, signature, sizeof BODY - 1);
    struct sink_request r = parsed(text);
    return sink_request_check(&r, secret);
}

/* While a secret changes there are several of either, and one that is shared is enough. */
static void one_of_several_signatures_is_enough(void **state)
{
    (void)state;
    int64_t now = clock_unix_ms() / 1000;
    char a[SIGN_SIZE], b[SIGN_SIZE], both[2 * SIGN_SIZE + 64];
    sign("one", now, a);
    sign("two", now, b);
    assert_null(check("one", now, a));
    assert_null(check("one two", now, a));
    assert_null(check("one two", now, b));
    assert_null(check("zero two", now, b));
    snprintf(both, sizeof both, "%s %s", a, b);
    assert_null(check("one", now, both));
    assert_null(check("two", now, both));
    assert_null(check("zero two", now, both));
    snprintf(both, sizeof both, "v2,AAAA  %s   v1,short", b);
    assert_null(check("two", now, both));
    assert_string_equal(check("one", now, both), "wrong signature");
    assert_string_equal(check("two", now, a), "wrong signature");
    snprintf(both, sizeof both, "%.*s", (int)strlen(a) - 1, a);
    assert_string_equal(check("one", now, both), "wrong signature");
    snprintf(both, sizeof both, "%sA", a);
    assert_string_equal(check("one", now, both), "wrong signature");
}

static void a_timestamp_is_near_enough_or_not(void **state)
{
    (void)state;
    char text[SIGN_SIZE];
    static const int far[] = {-310, 310}, near[] = {-290, 0, 290};
    int64_t now = clock_unix_ms() / 1000;
    for (size_t i = 0; i < 2; i++) {
        sign("one", now + far[i], text);
        assert_string_equal(check("one", now + far[i], text), "timestamp too far from now");
    }
    for (size_t i = 0; i < 3; i++) {
        sign("one", now + near[i], text);
        assert_null(check("one", now + near[i], text));
    }
    assert_string_equal(check("one", now, ""), "not signed");
    sign("one", now, text);
    assert_string_equal(check("whsec_!!!", now, text), "the secret given to --verify cannot sign");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_found_by_their_whole_names),
        cmocka_unit_test(a_long_value_is_cut),
        cmocka_unit_test(a_request_is_whole_or_not),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(one_of_several_signatures_is_enough),
        cmocka_unit_test(a_timestamp_is_near_enough_or_not),
    };
    return RUN_TESTS(tests);
}
