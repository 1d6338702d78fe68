/* Clients of every kind: fast, slow, vanished, silent. With real sockets. */
#include "smtp/connection.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "network.h"

static void pipelined_messages(void **state)
{
    (void)state;
    open_all("");
    int fd = connect_to(0);
    begin_data(fd);
    say(fd, "one\r\n.\r\n" TRANSACTION "two\r\n.\r\n" TRANSACTION "three\r\n.\r\nQUIT\r\n");
    for (size_t i = 0; i < 3; i++) {
        WAIT_FOR(pending_count == i + 1);
        expect_nothing(fd); /* and no second message while the first has no answer */
        assert_int_equal(pending_count, i + 1);
        answer(i);
        expect(fd, i < 2 ? "250 2.0.0 OK\r\n" TRANSACTION_REPLY : "250 2.0.0 OK\r\n" BYE);
    }
    expect_closed(fd);
    close_all();
}

/* Pipelined recipients, some of which take their time: the replies keep the order. */
static void recipients_that_wait(void **state)
{
    (void)state;
    open_all("");
    int fd = connect_to(0);
    expect(fd, GREETING);
    say(fd, HELLO "MAIL FROM:<a@b.test>\r\nRCPT TO:<slow1@example.com>\r\n"
                  "RCPT TO:<unknown@example.com>\r\nRCPT TO:<slow2@example.com>\r\n"
                  "RCPT TO:<user@example.com>\r\nDATA\r\ntext\r\n.\r\n");
    expect(fd, HELLO_REPLY "250 2.1.0 Sender OK\r\n");
    expect_nothing(fd);
    assert_int_equal(question_count, 1); /* one at a time */
    questions[0].done(questions[0].token, RECIPIENT_UNKNOWN);
    expect(fd, "550 5.1.1 No such recipient here\r\n550 5.1.1 No such recipient here\r\n");
    WAIT_FOR(question_count == 2);
    questions[1].done(questions[1].token, RECIPIENT_OK);
    expect(fd, "250 2.1.5 Recipient OK\r\n250 2.1.5 Recipient OK\r\n"
               "354 End data with <CR><LF>.<CR><LF>\r\n");
    WAIT_FOR(pending_count == 1);
    assert_int_equal(pending[0].transaction->envelope.recipient_count, 2);
    assert_string_equal(pending[0].transaction->envelope.recipients[0], "slow2@example.com");
    answer(0);
    expect(fd, "250 2.0.0 OK\r\n");
    close(fd);
    close_all();
}

/* All of its recipients are unknown: DATA is out of sequence. */
static void the_only_recipient_waits_and_is_unknown(void **state)
{
    (void)state;
    open_all("");
    int fd = connect_to(0);
    say(fd, HELLO "MAIL FROM:<a@b.test>\r\nRCPT TO:<slow@example.com>\r\nDATA\r\nRSET\r\n");
    WAIT_FOR(question_count == 1);
    questions[0].done(questions[0].token, RECIPIENT_UNKNOWN);
    expect(fd, GREETING HELLO_REPLY
           "250 2.1.0 Sender OK\r\n550 5.1.1 No such recipient here\r\n"
           "503 5.5.1 Bad sequence of commands: a recipient is needed, or RSET\r\n"
           "250 2.0.0 OK\r\n");
    close(fd);
    close_all();
}

/* Gone, or told to go, before the answer: it is still to come, and harmless. */
static void gone_while_a_recipient_waits(void **state)
{
    (void)state;
    open_all("");
    int fd = connect_to(0), other = connect_to(0);
    say(fd, HELLO "MAIL FROM:<a@b.test>\r\nRCPT TO:<slow@example.com>\r\n");
    WAIT_FOR(question_count == 1);
    reset(fd);
    say(other, HELLO "MAIL FROM:<a@b.test>\r\nRCPT TO:<slow@example.com>\r\n");
    WAIT_FOR(question_count == 2);
    questions[0].done(questions[0].token, RECIPIENT_OK);
    run_for(20);
    listeners_stop(listeners, on_idle, NULL);
    expect(other,
           GREETING HELLO_REPLY "250 2.1.0 Sender OK\r\n"
                                "421 4.3.2 mx.test the server is shutting down, closing\r\n");
    expect_closed(other);
    run_for(20);
    assert_int_equal(idle_calls, 0);
    questions[1].done(questions[1].token, RECIPIENT_OK);
    WAIT_FOR(idle_calls == 1);
    close_all();
}

static void answers_from_inside_submit(void **state)
{
    (void)state;
    open_all("");
    int fd = connect_to(0);
    begin_data(fd);
    /* The first one is answered later, so that the others come from the input that had to wait. */
    say(fd, ".\r\n" TRANSACTION ".\r\n" TRANSACTION ".\r\nQUIT\r\n");
    WAIT_FOR(pending_count == 1);
    answers_inside = true;
    answer(0);
    expect(fd, "250 2.0.0 OK\r\n" TRANSACTION_REPLY "250 2.0.0 OK\r\n" TRANSACTION_REPLY
               "250 2.0.0 OK\r\n" BYE);
    expect_closed(fd);
    assert_int_equal(pending_count, 3);
    close_all();
}

static void half_closed_client_gets_its_replies(void **state)
{
    (void)state;
    open_all("");
    int fd = connect_to(0);
    say(fd, HELLO TRANSACTION "text\r\n.\r\nNOOP\r\n");
    shutdown(fd, SHUT_WR);
    expect(fd, GREETING HELLO_REPLY TRANSACTION_REPLY);
    WAIT_FOR(pending_count == 1);
    run_for(20);
    answer(0);
    expect(fd, "250 2.0.0 OK\r\n250 2.0.0 OK\r\n");
    expect_closed(fd);
    close_all();
}

static void client_gone_while_its_message_is_processed(void **state)
{
    (void)state;
    open_all("smtp = { max_connections = 1 }");
    for (size_t i = 0; i < 2; i++) { /* closed, then reset */
        int fd = connect_to(0);
        begin_data(fd);
        say(fd, "text\r\n.\r\n");
        WAIT_FOR(pending_count == i + 1);
        if (i == 0)
            close(fd);
        else
            reset(fd);
        run_for(20);
        assert_string_equal(pending[i].transaction->envelope.sender, "a@b.test");
        answer(i);
        run_for(20);
    }
    int fd = connect_to(0); /* the place is free again */
    expect(fd, GREETING);
    close(fd);
    close_all();
}

static void client_gone_in_data(void **state)
{
    (void)state;
    open_all("");
    int fd = connect_to(0), other = connect_to(0);
    begin_data(fd);
    say(fd, "half a message\r\n");
    close(fd);
    begin_data(other);
    say(other, "half a message\r\n");
    reset(other);
    run_for(30);
    assert_int_equal(pending_count, 0);
    assert_int_equal(rules_held, 0);
    close_all();
}

/* Sends HELPs as long as they are taken, and reads nothing: at some point the server must stop
 * reading, long before it holds a reply to each. Returns how many bytes were sent. */
static size_t send_without_reading(int fd)
{
    static char text[6 * 20000];
    for (size_t i = 0; i < sizeof text; i += 6)
        memcpy(text + i, "HELP\r\n", 6);
    size_t sent = 0, at = 0, quiet = 0;
    int64_t start = now_ms();
    while (quiet < 100 && turn(start)) {
        ssize_t n = send(fd, text + at, sizeof text - at, MSG_NOSIGNAL);
        quiet = n > 0 ? 0 : quiet + 1;
        sent += n > 0 ? (size_t)n : 0;
        at = sent % sizeof text;
    }
    assert_int_equal(quiet, 100);
    return sent;
}

static void client_that_never_reads(void **state)
{
    (void)state;
    open_all("");
    int fd = connect_to(0);
    send_without_reading(fd);
    /* 64 KiB of input make 800 KiB of replies, but they are made only as far as they can be sent.
     */
    assert_in_range(most_allocated, 1, 3 * STREAM_READ_SIZE);
    /* Others are served. With a time limit that a test can wait for, they too would run into it
     * wherever the machine lets this process wait for as long. */
    int other = connect_to(0);
    expect(other, GREETING);
    say(other, "NOOP\r\n");
    expect(other, "250 2.0.0 OK\r\n");
    close(other);
    close(fd);
    close_all();
}

/* It goes when its time is over. */
static void time_of_a_client_that_never_reads(void **state)
{
    (void)state;
    open_all("smtp = { command_timeout = '500ms' }");
    int fd = connect_to(0);
    size_t sent = send_without_reading(fd);
    char got[65536];
    size_t received = 0;
    ssize_t n;
    run_for(600);
    WAIT_FOR(((n = recv(fd, got, sizeof got, 0)) == 0) || (n < 0 && errno != EAGAIN) ||
             (received += n > 0 ? (size_t)n : 0, false));
    assert_true(received > 0 && sent > received / 20);
    close(fd);
    close_all();
}

/* A client that is slow to read gets every reply, once and in order: more than the kernel buffers.
 */
static void client_that_reads_late(void **state)
{
    (void)state;
    static const char command[] = "HELP\r\n";
    static const char reply[] =
        "214 2.0.0 Commands: EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT BDAT\r\n";
    const size_t count = 120000, once = sizeof reply - 1, all = count * once;
    open_all("");
    int fd = connect_to(0), small = 65536;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    expect(fd, GREETING);
    size_t size = count * strlen(command), at = 0, received = 0;
    char *text = malloc(size), *got = malloc(all);
    for (size_t i = 0; i < size; i += strlen(command))
        memcpy(text + i, command, strlen(command));
    int64_t start = now_ms();
    while (received < all && turn(start)) {
        ssize_t n = at < size ? send(fd, text + at, size - at, MSG_NOSIGNAL) : 0;
        at += n > 0 ? (size_t)n : 0;
        if (n > 0)
            continue; /* reads only when it cannot write */
        while ((n = recv(fd, got + received, all - received, 0)) > 0)
            received += (size_t)n;
    }
    assert_int_equal(received, all);
    for (size_t i = 0; i < received; i += once)
        assert_memory_equal(got + i, reply, once);
    free(text);
    free(got);
    say(fd, "QUIT\r\n");
    expect(fd, BYE);
    expect_closed(fd);
    close_all();
}

static void timeouts(void **state)
{
    (void)state;
    open_all("smtp = { command_timeout = '150ms', data_timeout = '300ms' }");
    int silent = connect_to(0), in_data = connect_to(0), waiting = connect_to(0);
    begin_data(in_data);
    begin_data(waiting);
    say(waiting, ".\r\n");
    WAIT_FOR(pending_count == 1);
    expect(silent, GREETING "421 4.4.2 mx.test timeout, closing\r\n");
    expect_closed(silent);
    expect(in_data, "421 4.4.2 mx.test timeout, closing\r\n");
    expect_closed(in_data);
    expect_nothing(waiting); /* it is our turn: no time-out for the client */
    answer(0);
    expect(waiting, "250 2.0.0 OK\r\n421 4.4.2 mx.test timeout, closing\r\n");
    expect_closed(waiting);
    close_all();
}

/* Its last line is this; whatever was answered before. */
static void expect_closed_after(int fd, const char *last)
{
    char got[4096];
    size_t size = 0;
    ssize_t n;
    WAIT_FOR((n = recv(fd, got + size, sizeof got - 1 - size, 0)) == 0 ||
             (n < 0 && errno != EAGAIN) || (size += n > 0 ? (size_t)n : 0, false));
    got[size] = 0;
    assert_true(size >= strlen(last));
    assert_string_equal(got + size - strlen(last), last);
    close(fd);
}

/* A client that looks busy, but never gets to the end of a message. */
static void trickling_clients(void **state)
{
    (void)state;
    open_all("smtp = { message_timeout = '400ms' }");
    int idle = connect_to(0), in_data = connect_to(0);
    begin_data(in_data);
    expect(idle, GREETING);
    for (int i = 0; i < 3; i++) {
        run_for(50);
        send(idle, "NOOP\r\n", 6, MSG_NOSIGNAL);
        send(in_data, "x", 1, MSG_NOSIGNAL);
    }
    expect(in_data, "421 4.4.2 mx.test timeout, closing\r\n");
    expect_closed(in_data);
    run_for(300);
    expect_closed_after(idle, "421 4.4.2 mx.test timeout, closing\r\n");
    close_all();
}

static void each_message_starts_the_time_anew(void **state)
{
    (void)state;
    open_all("smtp = { message_timeout = '1500ms' }");
    answers_inside = true;
    int fd = connect_to(0);
    expect(fd, GREETING);
    say(fd, HELLO);
    expect(fd, HELLO_REPLY);
    for (int i = 0; i < 5; i++) { /* 2 s in all */
        run_for(400);
        say(fd, TRANSACTION ".\r\n");
        expect(fd, TRANSACTION_REPLY "250 2.0.0 OK\r\n");
    }
    close(fd);
    close_all();
}

static void each_piece_starts_the_time_anew(void **state)
{
    (void)state;
    open_all("smtp = { command_timeout = '300ms' }");
    int fd = connect_to(0);
    expect(fd, GREETING);
    for (int i = 0; i < 5; i++) {
        run_for(100);
        say(fd, "NOOP\r\n");
        expect(fd, "250 2.0.0 OK\r\n");
    }
    close(fd);
    close_all();
}

/* The last reply arrives even if the client went on sending: no reset takes it away. */
static void last_reply_arrives(void **state)
{
    (void)state;
    open_all("");
    int fd = connect_to(0);
    expect(fd, GREETING);
    say(fd, "QUIT\r\nNOOP\r\n");
    run_for(20);
    say(fd, "NOOP\r\nNOOP\r\n");
    run_for(20);
    expect(fd, BYE);
    expect_closed(fd);
    close_all();
}

/* Connects until it is greeted, and not turned away. */
static void wait_for_a_place(void)
{
    char first = 0;
    for (int64_t start = now_ms(); first != '2'; assert_true(turn(start))) {
        int fd = connect_to(0);
        WAIT_FOR(recv(fd, &first, 1, 0) == 1);
        close(fd);
    }
}

/* A client that does not close, or does not even read, is let go, and its place is free again. */
static void client_that_does_not_close(void **state)
{
    (void)state;
    open_all("smtp = { max_connections = 1 }");
    int fd = connect_to(0);
    expect(fd, GREETING);
    say(fd, "QUIT\r\n");
    expect(fd, BYE);
    wait_for_a_place();
    expect_closed(fd);
    close_all();
}

static void client_that_does_not_read_its_last_reply(void **state)
{
    (void)state;
    open_all("smtp = { command_timeout = '200ms', max_connections = 1 }");
    int fd = connect_to(0);
    send_without_reading(fd);
    wait_for_a_place();
    close(fd);
    close_all();
}

/* Whatever still comes, it has ended after that. */
static bool has_ended(int fd)
{
    char text[4096];
    ssize_t size;
    while ((size = recv(fd, text, sizeof text, MSG_DONTWAIT)) > 0)
        ;
    return size == 0 || errno == ECONNRESET;
}

/* No memory: for a new client, for the input that must wait, for replies that must. None is left out of a session that goes on. */
static void no_memory(void **state)
{
    (void)state;
    open_all("");
    for (int i = 0; i < 2; i++) { /* the connection's, the session's */
        int fd = connect_to(0);
        allocations = i;
        expect(fd, "421 4.3.2 mx.test no resources, try again later\r\n");
        expect_closed(fd);
        assert_int_equal(allocations, -1);
    }
    int fd = connect_to(0);
    begin_data(fd);
    say(fd, ".\r\nNOOP\r\n");
    allocations = 0;
    WAIT_FOR(pending_count == 1);
    assert_int_equal(allocations, -1);
    expect_closed(fd);
    answer(0);

    fd = connect_to(0);
    int small = 4096; /* so that it is soon full */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    expect(fd, GREETING);
    size_granted = 2048; /* where replies are put together */
    allocations = 0;
    send_without_reading(fd);
    assert_int_equal(allocations, -1);
    size_granted = 0;
    WAIT_FOR(has_ended(fd));
    close(fd);
    close_all();
}

static void large_message(void **state)
{
    (void)state;
    open_all("smtp = { max_size = '20 MiB' }");
    enum { SIZE = 10 * 1024 * 1024 };
    char *text = malloc(SIZE + 6);
    for (size_t i = 0; i < SIZE; i += 64)
        memcpy(text + i, "..............................................................\r\n", 64);
    memcpy(text + SIZE, ".\r\n", 4);
    int fd = connect_to(0);
    begin_data(fd);
    say(fd, text);
    WAIT_FOR(pending_count == 1);
    char *data = fixture_data(pending[0].transaction);
    assert_int_equal(strlen(data), SIZE - SIZE / 64);
    assert_memory_equal(data, text + 1, 63);
    assert_memory_equal(data + SIZE - SIZE / 64 - 63, text + 1, 63);
    free(data);
    free(text);
    answer(0);
    expect(fd, "250 2.0.0 OK\r\n");
    close(fd);
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelined_messages),
        cmocka_unit_test(recipients_that_wait),
        cmocka_unit_test(the_only_recipient_waits_and_is_unknown),
        cmocka_unit_test(gone_while_a_recipient_waits),
        cmocka_unit_test(answers_from_inside_submit),
        cmocka_unit_test(half_closed_client_gets_its_replies),
        cmocka_unit_test(client_gone_while_its_message_is_processed),
        cmocka_unit_test(client_gone_in_data),
        cmocka_unit_test(client_that_never_reads),
        cmocka_unit_test(time_of_a_client_that_never_reads),
        cmocka_unit_test(trickling_clients),
        cmocka_unit_test(each_message_starts_the_time_anew),
        cmocka_unit_test(client_that_reads_late),
        cmocka_unit_test(timeouts),
        cmocka_unit_test(each_piece_starts_the_time_anew),
        cmocka_unit_test(last_reply_arrives),
        cmocka_unit_test(client_that_does_not_close),
        cmocka_unit_test(client_that_does_not_read_its_last_reply),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(large_message),
    };
    signal(SIGPIPE, SIG_IGN);
    return RUN_TESTS(tests);
}
