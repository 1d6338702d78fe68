#include "mail_test.h"

#include <stdio.h>
#include <stdlib.h>

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
    assert_ours("Delivered-To: x@y\r\ndelivered-to: z\r\n", "", RECIPIENT, "", "");
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
    assert_removed("mx.example.com/1; dkim=pass");              /* what cannot be read */
    assert_removed("mx.example.com/1 x; dkim=pass");
    assert_removed("mx.example.com x y; dkim=pass");
    assert_removed("x mx.example.com; dkim=pass");
    assert_removed("\f mx.example.com; dkim=pass");
    assert_removed("\vmx.example.com; dkim=pass");
    assert_removed("\x01mx.example.com; dkim=pass");
    assert_removed("\xc2\xa0mx.example.com; dkim=pass");     /* NBSP */
    assert_removed("\xa0mx.example.com; dkim=pass");         /* ... of windows-1252 */
    assert_removed("\xe2\x80\x8bmx.example.com; dkim=pass"); /* zero-width space */
    assert_removed("\xef\xbb\xbfmx.example.com; dkim=pass"); /* byte order mark */
    assert_removed("\xe2\x80\xaemx.example.com; dkim=pass"); /* right-to-left override */
    assert_removed("mx.exam\xc2\xadple.com; dkim=pass");     /* soft hyphen */
    assert_removed("mx.example.com\xe2\x80\x8b; dkim=pass");
    assert_removed("mx\xe3\x80\x82"
                   "example.com; dkim=pass");               /* a full stop as well (RFC 3490) */
    assert_removed("\xef\xbd\x8dx.example.com; dkim=pass"); /* a fullwidth m */
    assert_removed(";mx.example.com; dkim=pass");
    assert_removed(" ; (c) ;; mx.example.com 1; dkim=pass");
    assert_removed("\"mx.example.com; dkim=pass");
    assert_removed("\" mx.example.com\"; dkim=pass");
    assert_removed("\"mx.example.com x\"");
    assert_removed("(mx.example.com; dkim=pass");
    assert_removed("(a;b) mx.example.com/1; dkim=pass");
    assert_removed("=?utf-8?b?bXguZXhhbXBsZS5jb20=?=; dkim=pass");
    assert_removed("mx.example.com..; dkim=pass");
    assert_removed("mx.example.com,other.example; dkim=pass");
    assert_removed("mx.(c)example.com; dkim=pass");
    assert_removed("mx.example(a(b)c).com; dkim=pass");
    assert_removed("\xe2\x80\x9cmx.example.com\xe2\x80\x9d; dkim=pass"); /* quotation marks */
    assert_removed("mx.example.com\xcc\x81; dkim=pass");                 /* an accent on it */
    assert_kept("other.example.com 1; spf=pass smtp.mailfrom=x@mx.example.com",
                "other.example.com 1; spf=pass smtp.mailfrom=x@mx.example.com");
    assert_kept("other.example.com/1; spf=pass smtp.mailfrom=mx.example.com",
                "other.example.com/1; spf=pass smtp.mailfrom=mx.example.com");
    assert_kept("other.example.com; spf=pass", "other.example.com; spf=pass");
    assert_kept("mx.example.com.evil.example; spf=pass", "mx.example.com.evil.example; spf=pass");
    assert_kept("mx.example.co; spf=pass", "mx.example.co; spf=pass");
    assert_kept("(mx.example.com) x; spf=pass", "(mx.example.com) x; spf=pass");
    assert_kept("", "");
}

/* A NUL cannot stand in a string of C, nor in a field that a server relays; here it comes. */
static void test_nul_before_the_name(void **state)
{
    (void)state;
    static const char mail[] = "Authentication-Results: \0mx.example.com; dkim=pass\r\n\r\n";
    char *payload = payload_of(mail, sizeof mail - 1);
    assert_null(strstr(payload, "dkim=pass"));
    free(payload);
    assert_true(provenance_claims("\0mx.test; x", 11, "mx.test"));
    assert_true(provenance_claims("mx.test\0; x", 11, "mx.test"));
    assert_true(provenance_claims("mx\0.test; x", 11, "mx.test"));
    assert_false(provenance_claims("\0mx.test; x", 11, "mx.tesx"));
    assert_false(provenance_claims("", 0, "mx.test"));
    assert_false(provenance_claims("(", 1, "mx.test"));
    assert_false(provenance_claims("\"\\", 2, "mx.test"));
    assert_false(provenance_claims("\"a(b\" x; mx.test", 17, "mx.test")); /* no comment in quotes */
    assert_true(provenance_claims("\"a(b\" mx.test; x", 17, "mx.test"));
    assert_false(provenance_claims("\"a;b\" x; mx.test", 17, "mx.test"));
    assert_true(provenance_claims("\"a;b\" mx.test; x", 17, "mx.test"));
    assert_true(provenance_claims("(;) \"a\" mx.test; x", 19, "mx.test"));
    assert_true(provenance_claims("b\xc3\xbc"
                                  "cher.example; x",
                                  18, "xn--bcher-kva.example"));
    assert_true(provenance_claims("XN--Bcher-KVA.example; x", 24, "xn--bcher-kva.example"));
}

/* What a receiver could take for our Received-SPF (RFC 7208 section 9.1). */
static void test_forged_spf(void **state)
{
    (void)state;
    static const char *const forged[] = {
        ("pass (mx.example.com: domain of a@b.example designates 192.0.2.1 as permitted sender) "
         "x=y;"),
        "pass receiver=mx.example.com; client-ip=192.0.2.1",
        "Pass (other: it is) receiver=\"MX.example.COM.\"; client-ip=192.0.2.1",
        "pass (x) receiver = mx.exa\xe2\x80\x8bmple.com; client-ip=192.0.2.1",
        "pass (x) receiver=\"mx\\.example.com\"",
        "pass receiver=\r\n\tmx.example.com",
    };
    static const char *const others[] = {
        "pass (other.example: domain of a@mx.example.com designates) receiver=other.example;",
        "pass receiver=mx.example.com.evil.example;",
        "pass receiver=a.mx.example.com;",
        "pass receiver=mx.example.co;",
    };
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        char header[300];
        snprintf(header, sizeof header, "Received-SPF: %s\r\n", forged[i]);
        assert_ours(header, "", RECIPIENT, "", "");
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char header[300], kept[300];
        snprintf(header, sizeof header, "RECEIVED-SPF: %s\r\n", others[i]);
        snprintf(kept, sizeof kept, ",\"%s\"", others[i]);
        assert_ours(header, kept, RECIPIENT, "", "");
    }
}

/* rules.reserved_headers */
static void test_reserved(void **state)
{
    (void)state;
    char tenant[] = "X-Tenant*", customer[] = "x-customer", one[] = "X-?";
    char *globs[] = {tenant, customer, one};
    struct receiver receiver = {"mx", globs, 3};
    static const char *const reserved[] = {"X-Tenant",     "x-tenant-id", "X-CUSTOMER",
                                           "Delivered-To", "X-A",         "x-forwarding-service"};
    static const char *const others[] = {"X-Tenan", "X-Customers", "AX-Customer", "X-AB",
                                         "X-",      "Subject",     "Received-SPF"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        assert_true(provenance_is_reserved(&(struct header){reserved[i], "x", 1}, &receiver));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(provenance_is_reserved(&(struct header){others[i], "x", 1}, &receiver));
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
        {"x; receiver=\"y\\", "helo=\"x\\; receiver=\\\"y\\\\\";"},
        {"x\r\n(y)", "helo=\"x??\\(y\\)\";"},
        {"", "helo=\"\";"},
    };
    struct message *message = parse("\r\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct envelope envelope = {.helo = (char *)cases[i].helo, .client_ip = "2001:db8::1"};
        struct arena *arena = arena_new();
        struct header_list list;
        assert_non_null(arena);
        assert_int_equal(payload_headers(message, &envelope, "r@x",
                                         &(struct receiver){.hostname = "mx"}, arena, &list),
                         0);
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
    assert_int_equal(payload_headers(message, &envelope, "r@x",
                                     &(struct receiver){.hostname = "mx"}, message->arena, &list),
                     0);
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
        cmocka_unit_test(test_results),        cmocka_unit_test(test_nul_before_the_name),
        cmocka_unit_test(test_forged_spf),     cmocka_unit_test(test_reserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
