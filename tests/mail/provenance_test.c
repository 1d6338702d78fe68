#include "mail_test.h"

#include <stdio.h>

/* What stands as "headers" for this message, to recipient@example.com at mx.example.com. */
static void assert_headers(const char *headers, const char *expected)
{
    char mail[1000];
    snprintf(mail, sizeof mail, "%s\r\n", headers);
    assert_payload(mail, expected);
}

#define OURS                                                                                       \
    "{\"headers\":{\"X-Forwarding-Service\":\"mxhook " MXHOOK_VERSION "\","                        \
    "\"Received-SPF\":[\"none (mx.example.com: SPF was not checked) receiver=mx.example.com; "     \
    "client-ip=192.0.2.1; helo=client.example.net;\"%s],"                                          \
    "\"Delivered-To\":%s,\"Authentication-Results\":[\"mx.example.com; none\"%s]%s}"

static void assert_ours(const char *headers, const char *spf, const char *to, const char *results,
                        const char *rest)
{
    char expected[2000];
    snprintf(expected, sizeof expected, OURS, spf, to, results, rest);
    assert_headers(headers, expected);
}

#define RECIPIENT "\"recipient@example.com\""

static void test_added(void **state)
{
    (void)state;
    assert_ours("", "", RECIPIENT, "", "");
    assert_ours("X: y\r\n", "", RECIPIENT, "", ",\"X\":\"y\"");
}

static void test_incoming_of_the_same_name(void **state)
{
    (void)state;
    assert_ours("received-spf: fail\r\n", ",\"fail\"", RECIPIENT, "", "");
    assert_ours("Delivered-To: x@y\r\n", "", "[" RECIPIENT ",\"x@y\"]", "", "");
    assert_ours("X-FORWARDING-SERVICE: forged\r\nX: y\r\n", "", RECIPIENT, "", ",\"X\":\"y\"");
}

static void assert_removed(const char *value)
{
    char header[300];
    snprintf(header, sizeof header, "Authentication-Results: %s\r\n", value);
    assert_ours(header, "", RECIPIENT, "", "");
}

static void assert_kept(const char *value, const char *json)
{
    char header[300], kept[300];
    snprintf(header, sizeof header, "Authentication-Results: %s\r\n", value);
    snprintf(kept, sizeof kept, ",\"%s\"", json);
    assert_ours(header, "", RECIPIENT, kept, "");
}

/* RFC 8601 section 5: what claims to be ours and came from outside is forged. */
static void test_forged_results(void **state)
{
    (void)state;
    assert_removed("mx.example.com; spf=pass");
    assert_removed("MX.Example.COM; spf=pass");
    assert_removed("mx.example.com. ; spf=pass");
    assert_removed("mx.example.com 1; spf=pass");
    assert_removed("mx.example.com");
    assert_removed("(a comment (nested \\) )) mx.example.com(more); dkim=pass");
    assert_removed("\"mx.example.com\"; dkim=pass");
    assert_removed("\"mx\\.example.com\"; dkim=pass");
    assert_removed("\r\n mx.example.com; dkim=pass");
    assert_removed("=?us-ascii?q?mx.example.com?=; dkim=pass"); /* as the receiver would read it */
    assert_kept("other.example.com; spf=pass", "other.example.com; spf=pass");
    assert_kept("mx.example.com.evil.example; spf=pass", "mx.example.com.evil.example; spf=pass");
    assert_kept("mx.example.co; spf=pass", "mx.example.co; spf=pass");
    assert_kept("(mx.example.com) x; spf=pass", "(mx.example.com) x; spf=pass");
    assert_kept("\"mx.example.com x\"", "\\\"mx.example.com x\\\"");
    assert_kept("", "");
}

/* A client's name cannot add words to our field. */
static void test_helo(void **state)
{
    (void)state;
    static const struct {
        const char *helo, *expected;
    } cases[] = {
        {"a.example", "helo=a.example;"},
        {"[192.0.2.1]", "helo=\"[192.0.2.1]\";"},
        {"x; receiver=\"y\\", "helo=\"x; receiver=\\\"y\\\\\";"},
        {"", "helo=\"\";"},
    };
    struct message *message = parse("\r\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct envelope envelope = {.helo = (char *)cases[i].helo, .client_ip = "2001:db8::1"};
        struct arena *arena = arena_new();
        struct header_list list;
        assert_non_null(arena);
        assert_int_equal(payload_headers(message, &envelope, "r@x", "mx", arena, &list), 0);
        assert_non_null(strstr(list.items[1].value, cases[i].expected));
        assert_non_null(strstr(list.items[1].value, "client-ip=2001:db8::1;"));
        header_list_free(&list);
        arena_free(arena);
    }
    message_free(message);
}

/* What was checked stands there as it was found. */
static void test_results(void **state)
{
    (void)state;
    struct envelope envelope = {.client_ip = "192.0.2.1",
                                .received_spf = "pass (all fine)",
                                .authentication_results = "mx; spf=pass"};
    struct message *message = parse("Authentication-Results: mx; dkim=pass\r\n\r\n");
    struct header_list list;
    assert_int_equal(payload_headers(message, &envelope, "r@x", "mx", message->arena, &list), 0);
    assert_int_equal(list.count, 4);
    assert_string_equal(list.items[1].value, "pass (all fine)");
    assert_string_equal(list.items[3].value, "mx; spf=pass");
    header_list_free(&list);
    message_free(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_added),          cmocka_unit_test(test_incoming_of_the_same_name),
        cmocka_unit_test(test_forged_results), cmocka_unit_test(test_helo),
        cmocka_unit_test(test_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
