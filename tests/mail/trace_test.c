/* The fields in front of a forwarded message, and loops. */
#include "mail_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "mail/trace.h"

static struct transaction *transaction(const char *helo)
{
    struct transaction *t = transaction_new("id-1", NULL, NULL);
    t->received_ms = RECEIVED_SECONDS * 1000ll;
    t->envelope.helo = strdup(helo);
    strcpy(t->envelope.client_ip, "192.0.2.1");
    t->envelope.esmtp = true;
    return t;
}

static char *trace_of(struct transaction *t, const char *recipient)
{
    struct spill *out = spill_new("/tmp", NULL);
    assert_int_equal(trace_write(t, recipient, "mx.example.com", out), 0);
    char *text = strndup(spill_memory(out), (size_t)spill_size(out));
    spill_free(out);
    transaction_free(t);
    return text;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in '%s'", part, text);
}

static void test_fields(void **state)
{
    (void)state;
    char *text = trace_of(transaction("client.example.net"), "hook@example.com");
    assert_has(text, "X-Forwarding-Service: mxhook " MXHOOK_VERSION "\r\n");
    assert_has(text, "\r\nDelivered-To: hook@example.com\r\n");
    assert_has(text, "\r\nAuthentication-Results: mx.example.com; none\r\n");
    assert_has(text, "\r\nReceived: from client.example.net ([192.0.2.1]) by mx.example.com "
                     "(mxhook\r\n\t" MXHOOK_VERSION
                     ") with ESMTP id id-1 for <hook@example.com>; Tue, 14 Nov 2023\r\n\t"
                     "22:13:20 +0000\r\n");
    free(text);
}

static void assert_with(bool esmtp, bool tls, bool utf8, char *user, const char *expected)
{
    struct transaction *t = transaction("x");
    t->envelope.esmtp = esmtp;
    t->envelope.tls = tls;
    t->envelope.smtputf8 = utf8;
    t->envelope.user = user ? strdup(user) : NULL;
    char *text = trace_of(t, "a@b");
    for (char *fold; (fold = strstr(text, "\r\n\t"));) /* wherever the line was folded */
        memmove(fold, fold + 2, strlen(fold + 2) + 1);
    for (char *p = text; *p; p++)
        *p = *p == '\t' ? ' ' : *p;
    assert_has(text, expected);
    free(text);
}

static void test_protocols(void **state)
{
    (void)state;
    assert_with(false, false, false, NULL, " with SMTP");
    assert_with(true, true, false, NULL, " with ESMTPS");
    assert_with(true, true, false, "u", " with ESMTPSA");
    assert_with(true, true, true, "u", " with UTF8SMTPSA");
}

/* What a client says of itself ends no clause, comment or line. */
static void test_hostile_helo(void **state)
{
    (void)state;
    char *text = trace_of(transaction("a) by evil; (\r\nX: y <\xff"), "a@b");
    assert_has(text, "\r\nReceived: from a??by?evil?????X:?y??? ([192.0.2.1]) by mx.example.com");
    free(text);
    text = trace_of(transaction(""), "a@b");
    assert_has(text, "Received: from unknown ([192.0.2.1])");
    free(text);
}

static void test_long_values_are_folded(void **state)
{
    char helo[600], recipient[260];
    (void)state;
    memset(helo, 'x', sizeof helo - 1);
    helo[sizeof helo - 1] = 0;
    memset(recipient, 'r', 250);
    strcpy(recipient + 250, "@b");
    char *text = trace_of(transaction(helo), recipient);
    for (const char *line = text; *line;) {
        const char *end = strstr(line, "\r\n");
        assert_non_null(end);
        assert_true(end - line <= 998); /* RFC 5322 section 2.1.1 */
        line = end + 2;
    }
    free(text);
}

static const char *loop_of(const char *mail)
{
    struct message *message = parse(mail);
    const char *loop = trace_loop(message, "Hook@example.com");
    message_free(message);
    return loop;
}

static void test_loops(void **state)
{
    static char hops[10000];
    (void)state;
    assert_null(loop_of("Subject: x\r\n\r\n"));
    assert_null(loop_of("Delivered-To: other@example.com\r\n\r\n"));
    assert_null(loop_of("Subject: x\r\n\r\nDelivered-To: hook@example.com\r\n"));
    assert_non_null(
        loop_of("Delivered-To: other@example.com\r\nDELIVERED-TO:\r\n hook@EXAMPLE.com \r\n\r\n"));
    for (int i = 0; i < TRACE_HOPS_MAX; i++)
        strcat(hops, "Received: from a by b\r\n");
    assert_null(loop_of(hops));
    strcat(hops, "Received: from a by b\r\n");
    assert_non_null(loop_of(hops));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),       cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_hostile_helo), cmocka_unit_test(test_long_values_are_folded),
        cmocka_unit_test(test_loops),
    };
    message_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
