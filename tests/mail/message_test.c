#include "mail_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "mail/fields.h"

static void test_fields(void **state)
{
    (void)state;
    struct message *message = parse("From: Ann <a@b.example>, c@d.example\r\nTo: e@f.example\r\n"
                                    "to: g@h.example\r\nCC: i@j.example\r\n"
                                    "Subject: =?utf-8?q?=C3=A9?=\r\n two\r\nSubject: second\r\n"
                                    "Message-ID: <id@b.example>\r\n\r\n");
    assert_int_equal(message->headers.count, 7);
    assert_string_equal(message->headers.items[4].name, "Subject");
    assert_string_equal(message->headers.items[4].value, "é two");
    assert_int_equal(message->headers.items[4].value_size, 6);
    assert_int_equal(message->from.count, 2);
    assert_string_equal(message->from.items[0].name, "Ann");
    assert_int_equal(message->to.count, 2);
    assert_string_equal(message->to.items[1].email, "g@h.example");
    assert_int_equal(message->cc.count, 1);
    assert_string_equal(message->subject, "é two");
    assert_string_equal(message->message_id, "id@b.example");
    message_free(message);
}

static void test_nothing(void **state)
{
    (void)state;
    struct message *message = parse("");
    assert_int_equal(message->headers.count, 0);
    assert_int_equal(message->from.count + message->to.count + message->cc.count, 0);
    assert_string_equal(message->subject, "");
    assert_null(message->message_id);
    assert_null(message->date);
    assert_int_equal(message->timestamp, RECEIVED_SECONDS);
    assert_int_equal(message->part_count, 0);
    message_free(message);
    message_free(NULL);
}

static void assert_message_id(const char *value, const char *expected)
{
    char mail[200];
    snprintf(mail, sizeof mail, "Message-ID: %s\r\n\r\n", value);
    struct message *message = parse(mail);
    if (expected)
        assert_string_equal(message->message_id, expected);
    else
        assert_null(message->message_id);
    message_free(message);
}

static void test_message_id(void **state)
{
    (void)state;
    assert_message_id("<a@b>", "a@b");
    assert_message_id("\r\n <a@b>", "a@b");
    assert_message_id("< a@b >", "a@b");
    assert_message_id("<a@b> (comment)", "a@b");
    assert_message_id("a@b", "a@b");
    assert_message_id("<a@b", "a@b");
    assert_message_id("<>", NULL);
    assert_message_id("", NULL);
}

static void assert_timestamp(const char *date, int64_t expected)
{
    char mail[200];
    snprintf(mail, sizeof mail, "Date: %s\r\n\r\n", date);
    struct message *message = parse(mail);
    assert_string_equal(message->date, date); /* as written */
    assert_int_equal(message->timestamp, expected);
    message_free(message);
}

static void test_timestamp(void **state)
{
    (void)state;
    assert_timestamp("Thu, 13 Feb 2020 13:44:12 +0000", 1581601452);
    assert_timestamp("Thu, 13 Feb 2020 13:44:12 -0800", 1581630252); /* its zone honoured */
    assert_timestamp("Thu, 13 Feb 2020 13:44:12 +0530", 1581581652);
    assert_timestamp("Thu, 13 Feb 2020 13:44:12 -0800 (PST)", 1581630252);
    assert_timestamp("Thu, 13 Feb 2020 13:44:12 PST", 1581630252);
    assert_timestamp("13 Feb 2020 13:44:12 GMT", 1581601452);
    assert_timestamp("13 Feb 2020 13:44 GMT", 1581601440);
    assert_timestamp("Fri, 31 Dec 99 23:59:59 +0000", 946684799);
    assert_timestamp("Wed, 31 Dec 1969 23:59:59 +0000", -1);
    assert_timestamp(
        "Thu, 13 Feb 2020 13:44:12 +0000 (a comment with some more words in it than any)",
        1581601452);
    assert_timestamp("yesterday", RECEIVED_SECONDS);
    assert_timestamp("", RECEIVED_SECONDS);
    assert_timestamp("Thu, 31 Feb 2020 13:44:12 +0000", RECEIVED_SECONDS);
    assert_timestamp("Thu, 13 Foo 2020 13:44:12 +0000", RECEIVED_SECONDS);
    assert_timestamp("Thu, 13 Feb 2020 99:99:99 +0000", RECEIVED_SECONDS);
}

/* NUL stays in a header's value; where a C string is made of one, it is left out. */
static void test_nul(void **state)
{
    (void)state;
    static const char mail[] = "Subject: a\0b\r\nMessage-ID: <c\0d>\r\nFrom: \"e\0f\" <g@h>\r\n"
                               "Content-Type: text/plain; name=\"i\0j\"\r\n\r\n";
    struct message *message = parse_bytes(BYTES(mail));
    assert_int_equal(message->headers.items[0].value_size, 3);
    assert_memory_equal(message->headers.items[0].value, "a\0b", 4);
    assert_string_equal(message->subject, "ab");
    assert_string_equal(message->message_id, "cd");
    assert_string_equal(message->from.items[0].name, "ef");
    assert_string_equal(message->from.items[0].email, "g@h");
    assert_string_equal(message->parts[0].name, "ij");
    message_free(message);
}

static void test_header_count_limit(void **state)
{
    (void)state;
    for (size_t count = HEADER_MAX_FIELDS - 1; count <= HEADER_MAX_FIELDS + 1; count++) {
        struct buffer mail = {0};
        for (size_t i = 0; i < count; i++)
            assert_int_equal(buffer_append(&mail, "X:y\r\n", 5), 0);
        buffer_append(&mail, BYTES("\r\nbody"));
        struct message *message = parse_bytes(mail.bytes, mail.size);
        assert_int_equal(message->headers.count,
                         count < HEADER_MAX_FIELDS ? count : HEADER_MAX_FIELDS);
        assert_int_equal(message->too_large, count > HEADER_MAX_FIELDS);
        char *text = text_of(message, PART_TEXT);
        assert_string_equal(text, "body");
        free(text);
        message_free(message);
        buffer_free(&mail);
    }
}

/* The field that reaches the limit is read up to it; those after are not; the body is the body. */
static void test_header_size_limit(void **state)
{
    (void)state;
    for (int over = -1; over <= 1; over++) {
        struct buffer mail = {0};
        size_t value = HEADER_MAX_BYTES - 5 - 5 + (size_t)(over + 1) - 1; /* X:...CRLF Y:zCRLF */
        buffer_append(&mail, "X:", 2);
        char *fill = malloc(value);
        assert_non_null(fill);
        memset(fill, 'x', value);
        buffer_append(&mail, fill, value);
        buffer_append(&mail, BYTES("\r\nY:z\r\n\r\nbody"));
        struct message *message = parse_bytes(mail.bytes, mail.size);
        assert_int_equal(message->headers.items[0].value_size, value);
        assert_int_equal(message->headers.count, 2);
        char *text = text_of(message, PART_TEXT);
        assert_string_equal(text, "body");
        free(text);
        message_free(message);
        mail.size = 2;
        buffer_append(&mail, fill, value);
        buffer_append(&mail, fill, 16);
        buffer_append(&mail, BYTES("\r\nY:z\r\n\r\nbody"));
        message = parse_bytes(mail.bytes, mail.size);
        assert_true(message->too_large);
        assert_int_equal(message->headers.count, 1);
        assert_int_equal(message->headers.items[0].value_size, HEADER_MAX_BYTES - 2);
        text = text_of(message, PART_TEXT);
        assert_string_equal(text, "body");
        free(text);
        message_free(message);
        free(fill);
        buffer_free(&mail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_message_id),
        cmocka_unit_test(test_timestamp),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_header_count_limit),
        cmocka_unit_test(test_header_size_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
