/* Listening, accepting, stopping: with real sockets. */
#include "smtp/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "network.h"
#include "smtp/connection.h"

static void a_session(void **state)
{
    (void)state;
    open_all("");
    int fd = connect_to(0);
    begin_data(fd);
    say(fd, "text\r\n.\r\n");
    WAIT_FOR(pending_count == 1);
    assert_string_equal(pending[0].transaction->envelope.client_ip, "127.0.0.1");
    expect_nothing(fd);
    answer(0);
    expect(fd, "250 2.0.0 OK\r\n");
    say(fd, "QUIT\r\n");
    expect(fd, BYE);
    expect_closed(fd);
    close_all();
}

static bool machine_has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return has;
}

static void addresses_as_text(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"::ffff:192.0.2.1", "192.0.2.1"}, {"2001:db8::1", "2001:db8::1"}, {"::1", "::1"}};
    char text[46];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        assert_int_equal(inet_pton(AF_INET6, pairs[i][0], &v6.sin6_addr), 1);
        connection_format_address((struct sockaddr *)&v6, text);
        assert_string_equal(text, pairs[i][1]);
    }
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    v4.sin_addr.s_addr = htonl(0xc0000201);
    connection_format_address((struct sockaddr *)&v4, text);
    assert_string_equal(text, "192.0.2.1");
}

static void several_listeners(void **state)
{
    (void)state;
    bool v6 = machine_has_ipv6();
    open_all(v6 ? "listen = { '127.0.0.1:0', '127.0.0.1:0', '[::1]:0' }"
                : "listen = { '127.0.0.1:0', '127.0.0.1:0' }");
    for (size_t i = 0; i < config->smtp.listen_count; i++) {
        int fd = connect_to(i);
        begin_data(fd);
        say(fd, ".\r\n");
        WAIT_FOR(pending_count == i + 1);
        assert_string_equal(pending[i].transaction->envelope.client_ip,
                            i < 2 ? "127.0.0.1" : "::1");
        answer(i);
        close(fd);
    }
    close_all();
}

/* As "0.0.0.0:25" and "[::]:25" of the default, on a port of the kernel's. Returns 0 where it is
 * free for IPv6 too. */
static int open_for_both_families(struct error *err)
{
    const struct listener_hooks hooks = {.config = on_config};
    struct listeners *also = NULL;
    int others[MAX_SOCKETS];
    char more[128];
    open_all("listen = { '0.0.0.0:0' }");
    int port = ports[0];
    snprintf(more, sizeof more, "listen = { '[::]:%d' }", port);
    struct config *second = fixture_config(more);
    int code = open_listeners(second, &hooks, &also, others, err);
    if (code == 0)
        assert_int_equal(others[0], port);
    listeners_free(also);
    config_unref(second);
    close_all();
    return code;
}

static void both_families_on_one_port(void **state)
{
    (void)state;
    if (!machine_has_ipv6())
        skip();
    struct error err = {""};
    int code = -EADDRINUSE;
    for (int i = 0; i < 10 && code == -EADDRINUSE; i++) /* another program may have it for IPv6 */
        code = open_for_both_families(&err);
    if (code != 0)
        fail_msg("%s", err.text);
}

static void a_port_in_use_opens_nothing(void **state)
{
    (void)state;
    open_all("");
    char more[128], expected[128];
    snprintf(more, sizeof more, "listen = { '127.0.0.1:0', '127.0.0.1:%d' }", ports[0]);
    struct config *second = fixture_config(more);
    struct listeners *also = NULL;
    int others[MAX_SOCKETS];
    struct error err = {""};
    const struct listener_hooks hooks = {.config = on_config};
    assert_int_equal(open_listeners(second, &hooks, &also, others, &err), -EADDRINUSE);
    assert_null(also);
    snprintf(expected, sizeof expected, "cannot listen on 127.0.0.1:%d: Address already in use",
             ports[0]);
    assert_string_equal(err.text, expected);
    config_unref(second);
    close_all();
}

static void surplus_connections_are_turned_away(void **state)
{
    (void)state;
    open_all("smtp = { max_connections = 2 }");
    int first = connect_to(0), second = connect_to(0);
    expect(first, GREETING);
    expect(second, GREETING);
    for (int i = 0; i < 5; i++) {
        int third = connect_to(0);
        expect(third, "421 4.3.2 mx.test too many connections, try again later\r\n");
        expect_closed(third);
    }
    say(first, "QUIT\r\n");
    expect(first, BYE);
    expect_closed(first);
    run_for(10);
    int third = connect_to(0);
    expect(third, GREETING);
    close(second);
    close(third);
    close_all();
}

static void no_descriptors(void **state)
{
    (void)state;
    open_all("");
    int held[2048], count = 0;
    int client = connect_to(0), other = connect_to(0);
    struct rlimit limit, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = 256;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    while ((held[count] = dup(client)) >= 0)
        count++;
    assert_int_equal(errno, EMFILE);
    expect(client, "421 4.3.2 mx.test no file descriptors, try again later\r\n");
    expect(other, "421 4.3.2 mx.test no file descriptors, try again later\r\n");
    while (count > 0)
        close(held[--count]);
    int late = connect_to(0);
    expect(late, GREETING);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    close(client);
    close(other);
    close(late);
    close_all();
}

/* Where not even the spare descriptor helps, accepting pauses: no busy loop, nobody is lost. */
static void no_descriptors_at_all(void **state)
{
    (void)state;
    open_all("");
    int client = connect_to(0);
    struct rlimit limit, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    uv_run(&loop, UV_RUN_NOWAIT);
    int turns = 0;
    for (int64_t start = now_ms(); now_ms() - start < 600; turns++)
        uv_run(&loop, UV_RUN_ONCE); /* returns only when there was something to do */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_in_range(turns, 1, 20);
    expect(client, GREETING);
    close(client);
    close_all();
}

#define SHUT_DOWN "421 4.3.2 mx.test the server is shutting down, closing\r\n"

static void graceful_stop(void **state)
{
    (void)state;
    open_all("");
    int silent = connect_to(0), in_data = connect_to(0), waiting = connect_to(0);
    int gone = connect_to(0);
    begin_data(in_data);
    begin_data(waiting);
    say(waiting, ".\r\n");
    begin_data(gone);
    say(gone, ".\r\n");
    WAIT_FOR(pending_count == 2);
    reset(gone);
    expect(silent, GREETING);
    int port = ports[0];
    listeners_stop(listeners, on_idle, NULL);
    assert_int_equal(idle_calls, 0);
    expect(silent, SHUT_DOWN);
    expect_closed(silent);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int late = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&address, sizeof address), -1);
    close(late);
    say(in_data, "the rest\r\n.\r\n");
    WAIT_FOR(pending_count == 3);
    answer(2);
    expect(in_data, "250 2.0.0 OK\r\n" SHUT_DOWN);
    expect_closed(in_data);
    answer(0);
    expect(waiting, "250 2.0.0 OK\r\n" SHUT_DOWN);
    expect_closed(waiting);
    run_for(30);
    assert_int_equal(idle_calls, 0); /* the one that is gone still has its message with us */
    answer(1);
    WAIT_FOR(idle_calls == 1);
    close_all();
    assert_int_equal(idle_calls, 1);
}

/* A client that is known to be gone, as replies could not be sent, while its message is processed.
 */
static void stop_with_a_client_gone(void **state)
{
    (void)state;
    open_all("");
    int fd = connect_to(0);
    char got[65536];
    expect(fd, GREETING);
    most_allocated = 0;
    for (int64_t start = now_ms(); most_allocated == 0;) { /* until replies have to wait */
        say(fd, "HELP\r\nHELP\r\nHELP\r\nHELP\r\nHELP\r\nHELP\r\nHELP\r\nHELP\r\nHELP\r\nHELP\r\n");
        say(fd, "EHLO a\r\nEHLO a\r\nEHLO a\r\nEHLO a\r\nEHLO a\r\nEHLO a\r\nEHLO a\r\n");
        assert_true(turn(start));
    }
    say(fd, HELLO TRANSACTION ".\r\n");
    int64_t start = now_ms();
    while (pending_count == 0 && turn(start)) /* reads just enough */
        (void)!recv(fd, got, sizeof got, 0);
    assert_int_equal(pending_count, 1);
    reset(fd);
    run_for(20);
    listeners_stop(listeners, on_idle, NULL);
    run_for(20);
    assert_int_equal(idle_calls, 0);
    answer(0);
    WAIT_FOR(idle_calls == 1);
    close_all();
}

static void stop_without_connections(void **state)
{
    (void)state;
    open_all("");
    listeners_stop(listeners, on_idle, NULL);
    assert_int_equal(idle_calls, 0);
    WAIT_FOR(idle_calls == 1);
    close_all();
}

/* The server's patience is over: connections in every state, and answers that come after. */
static void free_with_connections(void **state)
{
    (void)state;
    open_all("");
    int silent = connect_to(0), in_data = connect_to(0), waiting = connect_to(0);
    int draining = connect_to(0);
    begin_data(in_data);
    begin_data(waiting);
    say(waiting, ".\r\n");
    WAIT_FOR(pending_count == 1);
    expect(silent, GREETING);
    expect(draining, GREETING);
    say(draining, "QUIT\r\n");
    expect(draining, BYE);
    listeners_stop(listeners, on_idle, NULL);
    run_for(10);
    free_listeners();
    assert_int_equal(idle_calls, 0);
    answer(0); /* later still: it frees the last of the connections */
    assert_int_equal(rules_held, 0);
    config_unref(config);
    close(silent);
    close(in_data);
    close(waiting);
    close(draining);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session),
        cmocka_unit_test(addresses_as_text),
        cmocka_unit_test(several_listeners),
        cmocka_unit_test(both_families_on_one_port),
        cmocka_unit_test(a_port_in_use_opens_nothing),
        cmocka_unit_test(surplus_connections_are_turned_away),
        cmocka_unit_test(no_descriptors),
        cmocka_unit_test(no_descriptors_at_all),
        cmocka_unit_test(graceful_stop),
        cmocka_unit_test(stop_with_a_client_gone),
        cmocka_unit_test(stop_without_connections),
        cmocka_unit_test(free_with_connections),
    };
    signal(SIGPIPE, SIG_IGN);
    return RUN_TESTS(tests);
}
