#include "mail_test.h"

#include <stdio.h>
#include <stdlib.h>

/* The payload's table in mxhook-payload(5), row by row. */

static void test_whole(void **state)
{
    (void)state;
    static const char mail[] =
        "From: Ann <a@example.net>\r\nTo: b@example.com\r\nSubject: S\r\nMessage-ID: "
        "<i@example.net>\r\n"
        "Date: Thu, 13 Feb 2020 13:44:12 -0800\r\n"
        "Content-Type: multipart/related; boundary=b\r\n\r\n"
        "--b\r\n\r\ntext\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>html\r\n"
        "--b\r\nContent-Type: image/png; name=i.png\r\nContent-ID: <c@d>\r\n\r\nI\r\n"
        "--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; "
        "filename=a.pdf\r\n"
        "\r\nA\r\n--b--\r\n";
    static const char expected[] =
        ",\"to\":[{\"name\":null,\"email\":\"b@example.com\"}],"
        "\"from\":{\"name\":\"Ann\",\"email\":\"a@example.net\"},\"subject\":\"S\","
        "\"message-id\":\"i@example.net\",\"date\":\"Thu, 13 Feb 2020 13:44:12 -0800\","
        "\"return-path\":{\"name\":null,\"email\":\"sender@example.net\"},\"timestamp\":1581630252,"
        "\"text\":\"text\",\"html\":\"<p>html\","
        "\"inlines\":[{\"type\":\"image/"
        "png\",\"name\":\"i.png\",\"content\":\"SQ==\",\"cid\":\"c@d\"}],"
        "\"attachments\":[{\"type\":\"application/pdf\",\"name\":\"a.pdf\",\"content\":\"QQ==\","
        "\"encoding\":\"binary\"}]}";
    char *payload = payload_of(BYTES(mail));
    size_t size = strlen(payload);
    assert_in_range(size, sizeof expected, 10000);
    assert_string_equal(payload + size - (sizeof expected - 1), expected);
    assert_memory_equal(payload, "{\"headers\":{", 12);
    free(payload);
}

static void test_empty(void **state)
{
    (void)state;
    static const char expected[] =
        ",\"to\":[],\"from\":{\"name\":null,\"email\":null},\"subject\":\"\",\"message-id\":null,"
        "\"date\":null,\"return-path\":{\"name\":null,\"email\":\"sender@example.net\"},"
        "\"timestamp\":1700000000,\"text\":null,\"html\":null,\"inlines\":[],\"attachments\":[]}";
    assert_payload("", expected);
}

static void test_header_values(void **state)
{
    (void)state;
    assert_payload("X-One: a\r\n\r\n", "\"X-One\":\"a\"");
    assert_payload("X-Two: a\r\nY: z\r\nx-two: b\r\nX-TWO: c\r\n\r\n",
                   "\"X-Two\":[\"a\",\"b\",\"c\"],\"Y\":\"z\"");
    assert_payload("Received: a\r\n\r\n", "\"Received\":[\"a\"]");
    assert_payload("RECEIVED: a\r\nReceived: b\r\n\r\n", "\"RECEIVED\":[\"a\",\"b\"]");
    assert_payload("dkim-signature: a\r\n\r\n", "\"dkim-signature\":[\"a\"]");
    assert_payload("ARC-Seal: a\r\n\r\n", "\"ARC-Seal\":[\"a\"]");
    assert_payload("Arc-Message-Signature: a\r\n\r\n", "\"Arc-Message-Signature\":[\"a\"]");
    assert_payload("arc-authentication-results: a\r\n\r\n",
                   "\"arc-authentication-results\":[\"a\"]");
    assert_payload("Arcade: a\r\n\r\n", "\"Arcade\":\"a\"");
    assert_payload("Received-By: a\r\n\r\n", "\"Received-By\":\"a\"");
    assert_payload("X: a\r\n\tb\r\n\r\n", "\"X\":\"a\\tb\"");
    assert_payload("X: =?utf-8?q?=C3=A9?=\r\n\r\n", "\"X\":\"é\"");
    assert_payload("X: caf\xE9\r\n\r\n", "\"X\":\"café\"");
    assert_payload("X:\r\n\r\n", "\"X\":\"\"");
    assert_payload("X-\xFF: a\r\n\r\n", "\"X-ÿ\":\"a\"");
}

/* Names that are alike once they are valid UTF-8: one key, or a parser would lose one of two. */
static void test_names_made_alike(void **state)
{
    (void)state;
    assert_payload("X-\xC3\xA9\xFF: a\r\nX-\xC3\xA9\xFE: b\r\n\r\n",
                   "\"X-é\xEF\xBF\xBD\":[\"a\",\"b\"]");
    assert_payload("X-\xC3\xA9: a\r\n\r\n", "\"X-\xC3\xA9\":\"a\"");
}

static void test_addresses(void **state)
{
    (void)state;
    assert_payload(
        "To: a@b, G: \"C, D\" <e@f>;\r\nTo: i@j\r\n\r\n",
        "\"to\":[{\"name\":null,\"email\":\"a@b\"},{\"name\":\"C, D\",\"email\":\"e@f\"},"
        "{\"name\":null,\"email\":\"i@j\"}]");
    assert_payload("From: A <b@c>, d@e\r\n\r\n", "\"from\":{\"name\":\"A\",\"email\":\"b@c\"}");
    assert_payload("From: :;\r\nFrom: d@e\r\nSender: x@y\r\n\r\n",
                   "\"from\":{\"name\":null,\"email\":\"d@e\"}");
    assert_payload("Sender: x@y\r\n\r\n", "\"from\":{\"name\":null,\"email\":null}");
}

static void test_texts(void **state)
{
    (void)state;
#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    assert_payload("\r\na\"\\\r\n\x01", "\"text\":\"a\\\"\\\\\\n\\u0001\",\"html\":null");
    assert_payload(MIXED "--b\r\n\r\n1\r\n--b\r\n\r\n2\r\n--b--",
                   "\"text\":\"1\\n2\",\"html\":null");
    assert_payload(MIXED "--b\r\n\r\n1\r\n\r\n--b\r\n\r\n--b\r\n\r\n3\r\n--b--",
                   "\"text\":\"1\\n\\n\\n3\"");
    assert_payload("Content-Type: text/html\r\n\r\n<p>", "\"text\":null,\"html\":\"<p>\"");
    assert_payload("Content-Type: text/html\r\n\r\n", "\"text\":null,\"html\":\"\"");
}

static void test_parts(void **state)
{
    (void)state;
    assert_payload("Content-Type: image/png\r\n\r\nx",
                   "\"attachments\":[{\"type\":\"image/png\",\"name\":null,\"content\":\"eA==\","
                   "\"encoding\":\"binary\"}]");
    assert_payload("Content-Type: image/png\r\nContent-Disposition: inline\r\n\r\nx",
                   "\"inlines\":[{\"type\":\"image/png\",\"name\":null,\"content\":\"eA==\","
                   "\"cid\":null}],\"attachments\":[]");
    assert_payload("Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nx",
                   "\"type\":\"message/rfc822\",\"name\":null,\"content\":\"QTogYg0KDQp4\"");
}

static void test_null_sender(void **state)
{
    (void)state;
    struct envelope envelope = {.sender = "", .helo = "", .client_ip = ""};
    struct message *message = parse("\r\n");
    struct spill *out = spill_new("/tmp", NULL);
    assert_non_null(out);
    assert_int_equal(payload_write_tail(message, &envelope, out), 0);
    assert_non_null(strstr(spill_memory(out), "\"return-path\":{\"name\":null,\"email\":\"\"}"));
    spill_free(out);
    message_free(message);
}

static void test_nul_bytes(void **state)
{
    (void)state;
    static const char mail[] = "Subject: a\0b\r\n\r\nc\0d";
    char *payload = payload_of(BYTES(mail));
    assert_non_null(strstr(payload, "\"Subject\":\"a\\u0000b\""));
    assert_non_null(strstr(payload, "\"subject\":\"ab\""));
    assert_non_null(strstr(payload, "\"text\":\"c\\u0000d\""));
    free(payload);
}

/* As many as a header may have. */
static void test_many_headers(void **state)
{
    (void)state;
    struct buffer mail = {0};
    for (int i = 0; i < 1000; i++) {
        char line[32];
        int size = snprintf(line, sizeof line, "X-%d: %d\r\n", i % 500, i);
        assert_int_equal(buffer_append(&mail, line, (size_t)size), 0);
    }
    buffer_append(&mail, "\r\n", 2);
    char *payload = payload_of(mail.bytes, mail.size);
    assert_non_null(strstr(payload, "\"X-0\":[\"0\",\"500\"],\"X-1\":[\"1\",\"501\"]"));
    assert_non_null(strstr(payload, "\"X-499\":[\"499\",\"999\"]}"));
    free(payload);
    buffer_free(&mail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),         cmocka_unit_test(test_empty),
        cmocka_unit_test(test_header_values), cmocka_unit_test(test_names_made_alike),
        cmocka_unit_test(test_addresses),     cmocka_unit_test(test_texts),
        cmocka_unit_test(test_parts),         cmocka_unit_test(test_null_sender),
        cmocka_unit_test(test_nul_bytes),     cmocka_unit_test(test_many_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
