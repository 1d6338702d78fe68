/* What session_hooks.refused is told of: each MAIL, RCPT and message that gets no further. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/spill.h"

#include "../test.h"

static struct config *config;
static struct peer peer;

static int start(void **state)
{
    (void)state;
    config = fixture_config("");
    peer_start(&peer, config, "/tmp");
    peer_say(&peer, "EHLO client.test\r\n");
    return 0;
}

static int end(void **state)
{
    (void)state;
    peer_end(&peer);
    config_unref(config);
    return 0;
}

static void told_of(const char *said, const char *expected)
{
    *peer.refused = 0;
    peer_say(&peer, said);
    assert_string_equal(peer.refused, expected);
}

static void mail_and_recipients(void **state)
{
    (void)state;
    told_of("MAIL FROM:<a@b.test> SIZE=100000000\r\n", "connection.1 a@b.test - 552 Message s\n");
    told_of("MAIL FROM: a@b.test SIZE=x\r\n", "connection.2 a@b.test - 501 Bad value\n");
    told_of("MAIL FROM:<a b@@>\r\n", "connection.3 <a b@@> - 501 Bad sende\n");
    told_of("MAIL FROM:<>\r\n", "");
    told_of("RCPT TO:<unknown@example.com>\r\n",
            "connection-1.4  unknown@example.com 550 No such r\n");
    told_of("RCPT TO:<a@elsewhere.test>\r\n", "connection-1.5  a@elsewhere.test 550 Relaying \n");
    told_of("RCPT TO:<a@example.com> X=1\r\n", "connection-1.6  a@example.com 555 Parameter\n");
    told_of("RCPT TO:<a@example.com>\r\nDATA\r\nx\r\n.\r\n", "");
    assert_int_equal(peer.submitted_count, 1);
}

/* What is only out of sequence, or no mail, is no mail that somebody looks for; nor is what submit() has. */
static void not_of_what_is_no_mail(void **state)
{
    (void)state;
    told_of(
        "RCPT TO:<a@example.com>\r\nDATA\r\nFOO\r\nVRFY a@example.com\r\nMAIL FROM:<a@b.test>\r\n"
        "MAIL FROM:<a@b.test>\r\nDATA\r\nRCPT TO:<rejected@example.com>\r\nDATA\r\nx\r\n.\r\n",
        "");
    peer_answer(&peer, 550, "5.7.1", "Not for me");
    assert_string_equal(peer.refused, "");
}

static void a_message_half_way(void **state)
{
    (void)state;
    told_of("MAIL FROM:<a@b.test>\r\nRCPT TO:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
            "text\n.\n\r\n.\r\n",
            "connection-1.1 a@b.test a@example.com,b@example.com 550 SMTP smug\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mail_and_recipients),
        TEST(not_of_what_is_no_mail),
        TEST(a_message_half_way),
    };
    return RUN_TESTS(tests);
}
