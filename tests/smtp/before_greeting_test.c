/* What stands before the greeting: the PROXY header, the pause, and both. With real sockets. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "network.h"

#define PROXIED                                                                                    \
    "listen = { { address = '127.0.0.1:0', proxy = true } }"                                       \
    "access = { proxies = { '127.0.0.1' }, deny = { '203.0.113.0/24' }, connections_per_address "  \
    "= 2, proxy_timeout = '%s', greeting_pause = '%s' }"

static void open_proxied(const char *timeout, const char *pause)
{
    char text[512];
    snprintf(text, sizeof text, PROXIED, timeout, pause);
    open_all(text);
}

static void say_bytes(int fd, const char *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* Who the transaction says that the client is. */
static void expect_client(int fd, const char *ip, const char *proxy)
{
    size_t index = pending_count;
    say(fd, HELLO TRANSACTION ".\r\n");
    expect(fd, HELLO_REPLY TRANSACTION_REPLY);
    WAIT_FOR(pending_count == index + 1);
    assert_string_equal(pending[index].transaction->envelope.client_ip, ip);
    assert_string_equal(pending[index].transaction->envelope.proxy, proxy);
    answer(index);
    expect(fd, "250 2.0.0 OK\r\n");
}

static void proxied_clients(void **state)
{
    (void)state;
    static const char v2[] =
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x08\x7f\0\0\1\x7a\x69\0\x19";
    open_proxied("10s", "0s");
    int fd = connect_to(0);
    expect_nothing(fd); /* no greeting for a client that nobody knows yet */
    say(fd, "PROXY TCP4 192.0.2.7 127.0.0.1 31337 25\r\n");
    expect(fd, GREETING);
    expect_client(fd, "192.0.2.7", "127.0.0.1");
    close(fd);
    fd = connect_to(0);
    say_bytes(fd, v2, sizeof v2 - 1);
    expect(fd, GREETING);
    expect_client(fd, "192.0.2.8", "127.0.0.1");
    close(fd);
    fd = connect_to(0); /* a health check, or a client that cannot be named: the proxy itself */
    say(fd, "PROXY UNKNOWN\r\n");
    expect(fd, GREETING);
    expect_client(fd, "127.0.0.1", "");
    close(fd);
    close_all();
}

/* The network cuts where it likes; what stands behind the header is the client's. */
static void header_in_pieces(void **state)
{
    (void)state;
    static const char text[] = "PROXY TCP6 2001:db8::7 ::1 31337 25\r\n" HELLO "NOOP\r\n";
    open_proxied("10s", "0s");
    for (size_t cut = 1; cut < sizeof text - 1; cut += 3) {
        int fd = connect_to(0);
        say_bytes(fd, text, cut);
        run_for(2);
        say_bytes(fd, text + cut, sizeof text - 1 - cut);
        expect(fd, GREETING HELLO_REPLY "250 2.0.0 OK\r\n");
        say(fd, "QUIT\r\n");
        expect(fd, BYE);
        expect_closed(fd);
    }
    int fd = connect_to(0);
    for (const char *c = text; *c; c++) {
        say_bytes(fd, c, 1);
        run_for(1);
    }
    expect(fd, GREETING HELLO_REPLY "250 2.0.0 OK\r\n");
    close(fd);
    close_all();
}

/* Closed, without a word. */
static void bad_headers(void **state)
{
    (void)state;
    open_proxied("300ms", "0s");
    static const char *const texts[] = {"EHLO client.test\r\n", "PROXY TCP4 192.0.2.7\r\n",
                                        "\r\n\r\n\r\n", "", "PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) { /* the last two: by time */
        int fd = connect_to(0);
        say(fd, texts[i]);
        expect_closed(fd);
    }
    close_all();
}

static void only_proxies_may_connect(void **state)
{
    (void)state;
    open_all("listen = { { address = '127.0.0.1:0', proxy = true } }"
             "access = { proxies = { '192.0.2.80' } }");
    int fd = connect_to(0);
    expect_closed(fd); /* without a word */
    close_all();
}

/* Lists and limits go by the client in the header, not by the proxy. */
static void access_goes_by_the_header(void **state)
{
    (void)state;
    open_proxied("10s", "0s");
    int denied = connect_to(0), one = connect_to(0), two = connect_to(0), three = connect_to(0),
        other = connect_to(0);
    say(denied, "PROXY TCP4 203.0.113.7 127.0.0.1 1 25\r\n" HELLO);
    expect(denied, "554 5.7.1 mx.test takes no mail from your address\r\n");
    expect_closed(denied);
    say(one, "PROXY TCP4 192.0.2.7 127.0.0.1 1 25\r\n");
    expect(one, GREETING);
    say(two, "PROXY TCP4 192.0.2.7 127.0.0.1 2 25\r\n");
    expect(two, GREETING);
    say(three, "PROXY TCP4 192.0.2.7 127.0.0.1 3 25\r\n");
    expect(three, "421 4.7.0 mx.test too many connections from your address, try again later\r\n");
    expect_closed(three);
    say(other, "PROXY TCP4 192.0.2.8 127.0.0.1 1 25\r\n");
    expect(other, GREETING);
    close(one);
    run_for(30);
    one = connect_to(0); /* its place is free again */
    say(one, "PROXY TCP4 192.0.2.7 127.0.0.1 1 25\r\n");
    expect(one, GREETING);
    close(one);
    close(two);
    close(other);
    close_all();
}

static void no_memory_for_a_header(void **state)
{
    (void)state;
    open_proxied("10s", "0s");
    int fd = connect_to(0);
    allocations = 3; /* the connection, the session, the count by listener, the reader */
    expect(fd, "421 4.3.2 mx.test no resources, try again later\r\n");
    expect_closed(fd);
    assert_int_equal(allocations, -1);
    close_all();
}

static void stopping_while_a_header_is_to_come(void **state)
{
    (void)state;
    open_proxied("10s", "0s");
    int fd = connect_to(0);
    say(fd, "PROXY ");
    run_for(20);
    listeners_stop(listeners, on_idle, NULL);
    expect_closed(fd);
    WAIT_FOR(idle_calls == 1);
    close_all();
}

#define EARLY "554 5.5.1 mx.test you talked before the greeting\r\n"

static void early_talker(void **state)
{
    (void)state;
    open_all("access = { unlimited = {}, greeting_pause = '60s' }");
    int silent = connect_to(0), early = connect_to(0);
    run_for(20);
    say(early, "E");
    expect(early, EARLY);
    say(early, "HLO client.test\r\nMAIL FROM:<a@b.test>\r\n"); /* and this is never looked at */
    expect_closed(early);
    expect_nothing(silent);
    close(silent); /* gives up: nothing happens */
    run_for(20);
    close_all();
}

static void patient_client(void **state)
{
    (void)state;
    open_all("access = { unlimited = {}, greeting_pause = '50ms' }");
    int fd = connect_to(0), other = connect_to(0);
    expect(fd, GREETING);
    say(fd, HELLO);
    expect(fd, HELLO_REPLY);
    expect(other, GREETING);
    close(fd);
    close(other);
    close_all();
}

static void no_pause_for_those_without_limits(void **state)
{
    (void)state;
    open_all("access = { greeting_pause = '60s' }"); /* loopback is in access.unlimited */
    int fd = connect_to(0);
    say(fd, HELLO);
    expect(fd, GREETING HELLO_REPLY);
    close(fd);
    close_all();
    open_all("access = { unlimited = {}, xclient = { '127.0.0.1' }, greeting_pause = '60s' }");
    fd = connect_to(0);
    expect(fd, GREETING);
    close(fd);
    close_all();
}

/* A PROXY header is no early talk; what stands behind it is. */
static void pause_behind_a_proxy(void **state)
{
    (void)state;
    open_proxied("10s", "100ms");
    int patient = connect_to(0), early = connect_to(0), check = connect_to(0);
    say(patient, "PROXY TCP4 192.0.2.7 127.0.0.1 1 25\r\n");
    expect(patient, GREETING);
    say(early, "PROXY TCP4 192.0.2.8 127.0.0.1 1 25\r\nEHLO client.test\r\n");
    expect(early, EARLY);
    expect_closed(early);
    say(check, "PROXY UNKNOWN\r\n" HELLO); /* the proxy itself does not wait */
    expect(check, GREETING HELLO_REPLY);
    close(patient);
    close(check);
    close_all();
}

static void stopping_in_the_pause(void **state)
{
    (void)state;
    open_all("access = { unlimited = {}, greeting_pause = '60s' }");
    int fd = connect_to(0);
    run_for(20);
    listeners_stop(listeners, on_idle, NULL);
    expect(fd, "421 4.3.2 mx.test the server is shutting down, closing\r\n");
    expect_closed(fd);
    WAIT_FOR(idle_calls == 1);
    close_all();
}

/* Whoever is in the kernel's queue when the listeners stop is told, and not reset. */
static void stopping_with_clients_in_the_queue(void **state)
{
    (void)state;
    open_all("");
    int clients[20];
    for (size_t i = 0; i < 20; i++)
        clients[i] = connect_to(0); /* the loop does not turn */
    listeners_stop(listeners, on_idle, NULL);
    for (size_t i = 0; i < 20; i++) {
        expect(clients[i], "421 4.3.2 mx.test the server is shutting down, closing\r\n");
        expect_closed(clients[i]);
    }
    WAIT_FOR(idle_calls == 1);
    close_all();
}

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* No address: neither lists nor limits, nor a pause. The file is there while somebody listens. */
static void unix_socket(void **state)
{
    (void)state;
    char folder[] = "/tmp/mxhook-unix-XXXXXX", path[64], text[256];
    struct stat status;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/lmtp", folder);
    snprintf(text, sizeof text,
             "listen = { { address = 'unix:%s', protocol = 'lmtp' } }"
             "access = { unlimited = {}, allow = { '192.0.2.1' }, greeting_pause = '60s' }",
             path);
    for (int i = 0; i < 2; i++) { /* the second finds what a crash left behind */
        open_all(text);
        int fd = connect_unix(path);
        expect(fd, "220 mx.test LMTP mxhook\r\n");
        say(fd, "LHLO client.test\r\n" TRANSACTION ".\r\n");
        WAIT_FOR(pending_count == 1);
        assert_string_equal(pending[0].transaction->envelope.client_ip, "");
        answer(0);
        close(fd);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0666);
        struct error err = {""};
        struct listen_socket other;
        assert_int_equal(sockets_open(config->smtp.listen, 1, NULL, 0, &other, &err), -EADDRINUSE);
        if (i == 1) {
            close_all();
            break;
        }
        char kept[80];
        snprintf(kept, sizeof kept, "%s.kept", path);
        assert_int_equal(link(path, kept), 0);
        close_all();
        assert_int_equal(access(path, F_OK), -1); /* removed when it stopped */
        assert_int_equal(rename(kept, path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proxied_clients),
        cmocka_unit_test(header_in_pieces),
        cmocka_unit_test(bad_headers),
        cmocka_unit_test(only_proxies_may_connect),
        cmocka_unit_test(access_goes_by_the_header),
        cmocka_unit_test(no_memory_for_a_header),
        cmocka_unit_test(stopping_while_a_header_is_to_come),
        cmocka_unit_test(early_talker),
        cmocka_unit_test(patient_client),
        cmocka_unit_test(no_pause_for_those_without_limits),
        cmocka_unit_test(pause_behind_a_proxy),
        cmocka_unit_test(stopping_in_the_pause),
        cmocka_unit_test(stopping_with_clients_in_the_queue),
        cmocka_unit_test(unix_socket),
    };
    signal(SIGPIPE, SIG_IGN);
    return RUN_TESTS(tests);
}
