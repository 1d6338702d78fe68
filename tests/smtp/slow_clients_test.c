/* Clients that keep a place without using it, and those that are made to wait. With real sockets. */
#include "smtp/connection.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "network.h"

#define TIMEOUT "421 4.4.2 mx.test timeout, closing\r\n"

/* A byte every few ms, until the server says something. Returns how many were sent. */
static size_t trickle(int fd, const char *text)
{
    char byte;
    size_t sent = 0;
    for (; text[sent]; sent++) {
        run_for(20);
        if (recv(fd, &byte, 1, MSG_PEEK) > 0 || errno != EAGAIN)
            break;
        say(fd, (char[]){text[sent], 0});
    }
    return sent;
}

/* 8 KB at 50 bytes a second: nobody waits for its end. */
static const char *endless(void)
{
    static char text[8192];
    memset(text, 'x', sizeof text - 1);
    return text;
}

/* However busy it looks. */
static void a_command_that_trickles(void **state)
{
    (void)state;
    open_all("smtp = { command_timeout = '400ms' }");
    int fd = connect_to(0);
    expect(fd, GREETING);
    say(fd, HELLO);
    expect(fd, HELLO_REPLY);
    assert_in_range(trickle(fd, endless()), 5, 500);
    expect(fd, TIMEOUT);
    expect_closed(fd);
    close_all();
}

/* Each complete command has the whole time. */
static void many_commands_that_do_not(void **state)
{
    (void)state;
    open_all("smtp = { command_timeout = '2s' }");
    int fd = connect_to(0);
    expect(fd, GREETING);
    for (int i = 0; i < 12; i++) {
        run_for(250);
        say(fd, "NOOP\r\n");
        expect(fd, "250 2.0.0 OK\r\n");
    }
    close(fd);
    close_all();
}

/* Three quarters of the places are taken: the rate counts after stress_timeout. */
static void a_message_that_trickles_under_stress(void **state)
{
    (void)state;
    open_all("smtp = { max_connections = 4, stress_timeout = '400ms', min_rate = '100 KiB' }");
    int idle[2] = {connect_to(0), connect_to(0)}, fd = connect_to(0);
    begin_data(fd);
    assert_in_range(trickle(fd, endless()), 5, 500);
    expect(fd, TIMEOUT);
    expect_closed(fd);
    close(idle[0]);
    close(idle[1]);
    close_all();
}

/* The same with a place more: there is time. */
static void a_message_that_trickles_without_stress(void **state)
{
    (void)state;
    open_all("smtp = { max_connections = 5, stress_timeout = '400ms', min_rate = '100 KiB' }");
    int idle[2] = {connect_to(0), connect_to(0)}, fd = connect_to(0);
    begin_data(fd);
    assert_int_equal(trickle(fd, "Subject: a short message, slowly\r\n\r\ntext\r\n.\r\n"), 45);
    WAIT_FOR(pending_count == 1);
    answer(0);
    expect(fd, "250 2.0.0 OK\r\n");
    close(fd);
    close(idle[0]);
    close(idle[1]);
    close_all();
}

/* Under stress, a message that is fast enough goes on. */
static void a_fast_message_under_stress(void **state)
{
    (void)state;
    open_all("smtp = { max_connections = 1, stress_timeout = '300ms', min_rate = 100 }");
    int fd = connect_to(0);
    begin_data(fd);
    for (int i = 0; i < 8; i++) {
        run_for(100);
        say(fd, "a line of about forty octets, many of it\r\n");
    }
    say(fd, ".\r\n");
    WAIT_FOR(pending_count == 1);
    answer(0);
    expect(fd, "250 2.0.0 OK\r\n");
    close(fd);
    close_all();
}

/* max_errors refused recipients are free, each further one costs a second, one of them ends it. */
static void refused_recipients_are_delayed(void **state)
{
    (void)state;
    open_all("smtp = { max_errors = 2 }");
    int fd = connect_to(0);
    expect(fd, GREETING);
    say(fd, HELLO "MAIL FROM:<a@b.test>\r\n");
    expect(fd, HELLO_REPLY "250 2.1.0 Sender OK\r\n");
    say(fd, "RCPT TO:<unknown@example.com>\r\nRCPT TO:<unknown@example.com>\r\n"
            "RCPT TO:<unknown@example.com>\r\nRCPT TO:<user@example.com>\r\n");
#define UNKNOWN "550 5.1.1 No such recipient here\r\n"
    int64_t before = now_ms();
    expect(fd, UNKNOWN UNKNOWN UNKNOWN);
    expect(fd, "250 2.1.5 Recipient OK\r\n");
    assert_true(now_ms() - before >= CONNECTION_DELAY_MS - 50);
    say(fd, "RCPT TO:<user@elsewhere.test>\r\n");
    expect(fd, "550 5.7.1 Relaying denied: no mail is taken for this domain\r\n"
               "421 4.7.0 mx.test too many recipients were refused, closing\r\n");
    expect_closed(fd);
    close_all();
}

/* Of all that may wait, one network has a quarter. */
static void a_network_has_a_share_only(void **state)
{
    (void)state;
    open_all("smtp = { max_waiting = 8 } access = { unlimited = {} }");
    int fds[3];
    for (size_t i = 0; i < 3; i++) {
        fds[i] = connect_to(0);
        expect(fds[i], GREETING);
        say(fds[i], HELLO "MAIL FROM:<a@b.test>\r\n");
        expect(fds[i], HELLO_REPLY);
        expect(fds[i],
               i < 2 ? "250 2.1.0 Sender OK\r\n" : "451 4.3.2 Too busy, try again later\r\n");
        if (i == 2)
            break;
        say(fds[i], "RCPT TO:<user@example.com>\r\nDATA\r\n.\r\n");
        WAIT_FOR(pending_count == i + 1);
    }
    answer(0);
    say(fds[2], "MAIL FROM:<a@b.test>\r\n");
    expect(fds[2], "250 2.1.0 Sender OK\r\n");
    answer(1);
    for (size_t i = 0; i < 3; i++)
        close(fds[i]);
    close_all();
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_that_trickles),
        cmocka_unit_test(many_commands_that_do_not),
        cmocka_unit_test(a_message_that_trickles_under_stress),
        cmocka_unit_test(a_message_that_trickles_without_stress),
        cmocka_unit_test(a_fast_message_under_stress),
        cmocka_unit_test(refused_recipients_are_delayed),
        cmocka_unit_test(a_network_has_a_share_only),
    };
    return RUN_TESTS(tests);
}
