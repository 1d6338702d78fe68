/* Who may connect: the lists by themselves, then with real sockets. */
#include "smtp/access.h"

#include "network.h"

static struct ip_address address(const char *text)
{
    struct network network;
    assert_int_equal(network_parse(text, &network), 0);
    return network.address;
}

static void assert_enters(const struct config *with, const char *text, int code)
{
    struct limits *limits = limits_new();
    struct ip_address ip = address(text);
    bool counted;
    const struct refusal *refusal = access_enter(&with->access, limits, &ip, 0, &counted);
    if ((refusal ? refusal->code : 0) != code)
        fail_msg("%s: expected %d, got %d", text, code, refusal ? refusal->code : 0);
    limits_free(limits);
}

static void without_lists(void **state)
{
    (void)state;
    struct config *with = fixture_config("");
    assert_enters(with, "192.0.2.1", 0);
    assert_enters(with, "::1", 0);
    config_unref(with);
}

static void denied(void **state)
{
    (void)state;
    struct config *with = fixture_config("access = { deny = { '192.0.2.0/24', '2001:db8::/32' } }");
    assert_enters(with, "192.0.1.255", 0);
    assert_enters(with, "192.0.2.0", 554);
    assert_enters(with, "192.0.2.255", 554);
    assert_enters(with, "192.0.3.0", 0);
    assert_enters(with, "2001:db8:ffff::1", 554);
    assert_enters(with, "2001:db9::1", 0);
    config_unref(with);
}

static void allowed(void **state)
{
    (void)state;
    struct config *with = fixture_config("access = { allow = { '192.0.2.0/24' } }");
    assert_enters(with, "192.0.2.1", 0);
    assert_enters(with, "192.0.3.1", 554);
    assert_enters(with, "::1", 554);
    config_unref(with);
}

static void the_longer_prefix_decides(void **state)
{
    (void)state;
    struct config *with = fixture_config("access = { allow = { '10.1.0.0/16', '10.2.0.0/16' },"
                                         "deny = { '10.0.0.0/8', '10.1.2.0/24', '10.2.0.0/16' } }");
    assert_enters(with, "10.1.1.1", 0);
    assert_enters(with, "10.1.2.1", 554);
    assert_enters(with, "10.2.1.1", 554); /* both are as long */
    assert_enters(with, "10.3.1.1", 554);
    config_unref(with);
}

static void turned_away(void **state)
{
    (void)state;
    open_all("access = { deny = { '127.0.0.0/8' } }");
    int fd = connect_to(0);
    expect(fd, "554 5.7.1 mx.test takes no mail from your address\r\n");
    expect_closed(fd);
    close_all();
}

static int next_client(void)
{
    int fd = connect_to(0);
    expect(fd, GREETING);
    return fd;
}

static void connections_of_an_address(void **state)
{
    (void)state;
    open_all("access = { unlimited = {}, connections_per_address = 2 }");
    int first = next_client(), second = next_client(), third = connect_to(0);
    expect(third, "421 4.7.0 mx.test too many connections from your address, try again later\r\n");
    expect_closed(third);
    say(first, "QUIT\r\n");
    expect(first, BYE);
    expect_closed(first);
    run_for(50);
    int fourth = next_client();
    reset(fourth);
    reset(second);
    close_all();
}

static void connections_of_a_network(void **state)
{
    (void)state;
    open_all("access = { unlimited = {}, connections_per_network = 1 }");
    int first = next_client(), second = connect_to(0);
    expect(second, "421 4.7.0 mx.test too many connections from your network, try again later\r\n");
    expect_closed(second);
    reset(first);
    close_all();
}

static void loopback_is_unlimited(void **state)
{
    (void)state;
    open_all("access = { connections_per_address = 1, messages_per_minute = 1 }");
    int first = next_client(), second = next_client();
    say(first, HELLO "MAIL FROM:<a@b.test>\r\nRSET\r\nMAIL FROM:<a@b.test>\r\n");
    expect(first, HELLO_REPLY "250 2.1.0 Sender OK\r\n250 2.0.0 OK\r\n250 2.1.0 Sender OK\r\n");
    reset(first);
    reset(second);
    close_all();
}

static void messages_of_an_address(void **state)
{
    (void)state;
    open_all("access = { unlimited = {}, messages_per_minute = 2 }");
    int first = next_client();
    say(first, HELLO "MAIL FROM:<a@b.test>\r\nRSET\r\nMAIL FROM:<a@b.test>\r\nRSET\r\n"
                     "MAIL FROM:<a@b.test>\r\n");
    expect(first, HELLO_REPLY
           "250 2.1.0 Sender OK\r\n250 2.0.0 OK\r\n250 2.1.0 Sender OK\r\n250 2.0.0 OK\r\n"
           "451 4.7.1 Too many messages from your address, try again later\r\n");
    reset(first);
    run_for(50);
    int second = next_client(); /* another connection changes nothing */
    say(second, HELLO "MAIL FROM:<a@b.test>\r\n");
    expect(second,
           HELLO_REPLY "451 4.7.1 Too many messages from your address, try again later\r\n");
    reset(second);
    close_all();
}

static void recipients_of_a_session(void **state)
{
    (void)state;
    open_all("access = { recipients_per_session = 2 }");
    int fd = next_client();
    say(fd, HELLO "MAIL FROM:<a@b.test>\r\nRCPT TO:<u1@example.com>\r\nRCPT TO:<u1@example.com>\r\n"
                  "RSET\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<u1@example.com>\r\n"
                  "RCPT TO:<u2@example.com>\r\n");
    expect(fd,
           HELLO_REPLY "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n250 2.1.5 Recipient OK\r\n"
                       "250 2.0.0 OK\r\n250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n"
                       "452 4.5.3 Too many recipients in one session\r\n");
    reset(fd);
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_lists),
        cmocka_unit_test(denied),
        cmocka_unit_test(allowed),
        cmocka_unit_test(the_longer_prefix_decides),
        cmocka_unit_test(turned_away),
        cmocka_unit_test(connections_of_an_address),
        cmocka_unit_test(connections_of_a_network),
        cmocka_unit_test(loopback_is_unlimited),
        cmocka_unit_test(messages_of_an_address),
        cmocka_unit_test(recipients_of_a_session),
    };
    return RUN_TESTS(tests);
}
