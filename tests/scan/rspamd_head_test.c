/* What rspamd is told of a message. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/rspamd_head.h"

static char hostname[] = "mx.test";
static struct config config = {.hostname = hostname};
static struct rspamd_head head;

/* Its lines, one below the other. */
static const char *lines(void)
{
    static char text[40000];
    size_t used = 0;
    size_t count = 0;
    for (const struct curl_slist *line = head.lines; line; line = line->next, count++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s\n", line->data);
    assert_int_equal(count, head.count);
    return text;
}

static void test_what_is_known(void **state)
{
    (void)state;
    char recipient[] = "a@example.com", second[] = "b@example.com", sender[] = "s@client.test";
    char *recipients[] = {recipient, second};
    struct transaction t = {.id = "01-1"};
    t.envelope.recipients = recipients;
    assert_int_equal(rspamd_head_write(&head, &config, &t, NULL), 0);
    assert_string_equal(
        lines(), "Expect:\nContent-Type:\nAccept:\nQueue-Id: 01-1\nMTA-Name: mx.test\nFrom: <>\n");
    snprintf(t.envelope.client_ip, sizeof t.envelope.client_ip, "::1");
    t.envelope.helo = (char[]){"a\r\nUser: root"};
    t.envelope.user = (char[]){"u"};
    t.envelope.sender = sender;
    t.envelope.tls = true;
    t.envelope.recipient_count = 2;
    assert_int_equal(rspamd_head_write(&head, &config, &t, "client.test"), 0);
    assert_string_equal(
        lines(), "Expect:\nContent-Type:\nAccept:\nQueue-Id: 01-1\nIP: ::1\nHelo: a??User: root\n"
                 "Hostname: client.test\nUser: u\nTLS-Version: TLS\nMTA-Name: mx.test\n"
                 "From: <s@client.test>\nRcpt: a@example.com\nRcpt: b@example.com\n");
    rspamd_head_free(&head);
}

/* A password goes out whole, however long, and nothing of it stays in memory. */
static void test_password(void **state)
{
    (void)state;
    struct transaction t = {.id = "01-1"};
    char password[5000];
    memset(password, 'p', sizeof password);
    password[sizeof password - 1] = 0;
    config.scan.password = password;
    assert_int_equal(rspamd_head_write(&head, &config, &t, NULL), 0);
    config.scan.password = NULL;
    const char *line = strstr(lines(), "Password: ");
    assert_non_null(line);
    assert_int_equal(strspn(line + 10, "p"), sizeof password - 1);
    size_t size = head.size;
    rspamd_head_clear(&head);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(head.text[i], 0);
    assert_int_equal(rspamd_head_write(&head, &config, &t, NULL), 0);
    assert_null(strstr(lines(), "Password"));
    rspamd_head_free(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_known),
        cmocka_unit_test(test_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
