/* The listeners with real sockets on 127.0.0.1, and a stub of the server behind them. One thread:
 * each wait runs the loop until what it waits for is there. */
#include "smtp/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../test.h"
#include "fixture.h"
#include "smtp/connection.h"

#define PATIENCE_MS 20000
#define MAX_PENDING 8

#define HELLO       "HELO client.test\r\n"
#define TRANSACTION "MAIL FROM:<a@b.test>\r\nRCPT TO:<user@example.com>\r\nDATA\r\n"

struct pending {
    struct transaction *transaction;
    void (*done)(void *token, const struct reply *reply);
    void *token;
};

static uv_loop_t loop;
static struct config *config;
static struct listeners *listeners;
static struct pending pending[MAX_PENDING];
static size_t pending_count;
static int rules_held, idle_calls;
static bool answers_inside; /* submit() answers at once */

/* The linker sends our calls of these here (see CMakeLists.txt): the one that is `allocations` away
 * fails; -1: none. */
static int allocations = -1;
static size_t allocated; /* bytes, in this turn of the loop */
static size_t most_allocated;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool allocation_fails(void)
{
    return allocations >= 0 && allocations-- == 0;
}

void *__wrap_malloc(size_t size)
{
    allocated += size;
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

/* The stub of the server. */

static struct config *on_config(void *context)
{
    (void)context;
    return config_ref(config);
}

static struct ruleset *on_rules(void *context)
{
    (void)context;
    rules_held++;
    return (struct ruleset *)&rules_held;
}

static void on_release(struct ruleset *rules)
{
    (void)rules;
    rules_held--;
}

static enum recipient_answer on_check(void *context, struct ruleset *rules, const char *recipient)
{
    (void)context;
    assert_ptr_equal(rules, &rules_held);
    return strncmp(recipient, "unknown@", 8) == 0 ? RECIPIENT_UNKNOWN : RECIPIENT_OK;
}

static void answer(size_t index)
{
    struct reply reply;
    reply_set(&reply, 250, "2.0.0", "OK");
    transaction_free(pending[index].transaction);
    pending[index].done(pending[index].token, &reply);
}

static void on_submit(void *context, struct transaction *transaction,
                      void (*done)(void *token, const struct reply *reply), void *token)
{
    (void)context;
    assert_true(pending_count < MAX_PENDING);
    pending[pending_count++] = (struct pending){transaction, done, token};
    if (answers_inside)
        answer(pending_count - 1);
}

static void on_idle(void *context)
{
    (void)context;
    idle_calls++;
}

/* Time and the loop. */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One turn; true while there is patience left. */
static bool turn(int64_t start)
{
    allocated = 0;
    uv_run(&loop, UV_RUN_NOWAIT);
    if (allocated > most_allocated)
        most_allocated = allocated;
    usleep(200);
    return now_ms() - start < PATIENCE_MS;
}

static void run_for(int64_t ms)
{
    for (int64_t start = now_ms(); now_ms() - start < ms;)
        turn(start);
}

#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        int64_t wait_start = now_ms();                                                             \
        while (!(condition))                                                                       \
            if (!turn(wait_start))                                                                 \
                fail_msg("waited in vain for " #condition);                                        \
    } while (0)

static void open_all(const char *more)
{
    static const struct listener_hooks hooks = {.config = on_config,
                                                .rules = on_rules,
                                                .release_rules = on_release,
                                                .check_recipient = on_check,
                                                .submit = on_submit};
    struct error err = {""};
    config = fixture_config(more);
    pending_count = 0;
    idle_calls = 0;
    answers_inside = false;
    most_allocated = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    if (listeners_open(&loop, config, &hooks, NULL, "/tmp", &listeners, &err) != 0)
        fail_msg("%s", err.text);
}

/* The loop can be closed only once every handle is: none leaks. */
static void free_listeners(void)
{
    listeners_free(listeners);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void close_all(void)
{
    free_listeners();
    assert_int_equal(rules_held, 0);
    config_unref(config);
}

/* Clients. */

static int connect_to(size_t listener)
{
    bool v6 = strchr(config->smtp.listen[listener].host, ':');
    struct sockaddr_in v4_address = {.sin_family = AF_INET};
    struct sockaddr_in6 v6_address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    in_port_t port = htons((in_port_t)listeners_port(listeners, listener));
    v4_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v4_address.sin_port = v6_address.sin6_port = port;
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    int code = v6 ? connect(fd, (struct sockaddr *)&v6_address, sizeof v6_address)
                  : connect(fd, (struct sockaddr *)&v4_address, sizeof v4_address);
    assert_int_equal(code, 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Reads exactly this text. */
static void expect(int fd, const char *text)
{
    char got[4096];
    size_t size = strlen(text), at = 0;
    assert_true(size < sizeof got);
    int64_t start = now_ms();
    while (at < size) {
        ssize_t n = recv(fd, got + at, size - at, 0);
        if (n > 0)
            at += (size_t)n;
        else if (n == 0 || errno != EAGAIN || !turn(start))
            fail_msg("expected \"%s\", got \"%.*s\", then %s", text, (int)at, got,
                     n == 0 ? "the end" : strerror(errno));
    }
    got[at] = 0;
    assert_string_equal(got, text);
}

static void expect_nothing(int fd)
{
    char byte;
    run_for(30);
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
}

/* The end, or a reset. */
static void expect_closed(int fd)
{
    char byte;
    ssize_t n;
    WAIT_FOR((n = recv(fd, &byte, 1, 0)) == 0 || (n < 0 && errno != EAGAIN));
    close(fd);
}

static void say(int fd, const char *text)
{
    size_t size = strlen(text), at = 0;
    int64_t start = now_ms();
    while (at < size) {
        ssize_t n = send(fd, text + at, size - at, MSG_NOSIGNAL);
        if (n > 0)
            at += (size_t)n;
        else if (!turn(start))
            fail_msg("cannot send: %s", strerror(errno));
    }
}

#define GREETING    "220 mx.test ESMTP mxhook\r\n"
#define HELLO_REPLY "250 mx.test\r\n"
#define TRANSACTION_REPLY                                                                          \
    "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
#define BYE "221 2.0.0 mx.test closing\r\n"

static void begin_data(int fd)
{
    expect(fd, GREETING);
    say(fd, HELLO TRANSACTION);
    expect(fd, HELLO_REPLY TRANSACTION_REPLY);
}

/* The tests. */

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

/* As "0.0.0.0:25" and "[::]:25" of the default, on a port of the kernel's. */
static void both_families_on_one_port(void **state)
{
    (void)state;
    if (!machine_has_ipv6())
        skip();
    open_all("listen = { '0.0.0.0:0' }");
    char more[128];
    int port = listeners_port(listeners, 0);
    snprintf(more, sizeof more, "listen = { '[::]:%d' }", port);
    struct config *second = fixture_config(more);
    const struct listener_hooks hooks = {.config = on_config};
    struct listeners *also = NULL;
    struct error err = {""};
    if (listeners_open(&loop, second, &hooks, NULL, "/tmp", &also, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(listeners_port(also, 0), port);
    listeners_free(also);
    config_unref(second);
    close_all();
}

static void a_port_in_use_opens_nothing(void **state)
{
    (void)state;
    open_all("");
    char more[128], expected[128];
    snprintf(more, sizeof more, "listen = { '127.0.0.1:0', '127.0.0.1:%d' }",
             listeners_port(listeners, 0));
    struct config *second = fixture_config(more);
    struct listeners *also = NULL;
    struct error err = {""};
    const struct listener_hooks hooks = {.config = on_config};
    assert_int_equal(listeners_open(&loop, second, &hooks, NULL, "/tmp", &also, &err), -EADDRINUSE);
    assert_null(also);
    snprintf(expected, sizeof expected, "cannot listen on 127.0.0.1:%d: Address already in use",
             listeners_port(listeners, 0));
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

static void reset(int fd)
{
    const struct linger hard = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
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
    open_all("smtp = { command_timeout = '500ms' }");
    int fd = connect_to(0);
    size_t sent = send_without_reading(fd);
    /* 64 KiB of input make 800 KiB of replies, but they are made only as far as they can be sent.
     */
    assert_in_range(most_allocated, 1, 3 * CONNECTION_READ_SIZE);
    /* Others are served; this one goes when its time is over. */
    int other = connect_to(0);
    expect(other, GREETING);
    say(other, "NOOP\r\n");
    expect(other, "250 2.0.0 OK\r\n");
    close(other);
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
        "214 2.0.0 Commands: EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT\r\n";
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

/* No memory: for a new client, for the input that must wait, for replies that must. */
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
    allocations = 0;
    send_without_reading(fd);
    assert_int_equal(allocations, -1);
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
    int port = listeners_port(listeners, 0);
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
        cmocka_unit_test(pipelined_messages),
        cmocka_unit_test(answers_from_inside_submit),
        cmocka_unit_test(half_closed_client_gets_its_replies),
        cmocka_unit_test(client_gone_while_its_message_is_processed),
        cmocka_unit_test(client_gone_in_data),
        cmocka_unit_test(client_that_never_reads),
        cmocka_unit_test(client_that_reads_late),
        cmocka_unit_test(timeouts),
        cmocka_unit_test(each_piece_starts_the_time_anew),
        cmocka_unit_test(last_reply_arrives),
        cmocka_unit_test(client_that_does_not_close),
        cmocka_unit_test(client_that_does_not_read_its_last_reply),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(large_message),
        cmocka_unit_test(graceful_stop),
        cmocka_unit_test(stop_with_a_client_gone),
        cmocka_unit_test(stop_without_connections),
        cmocka_unit_test(free_with_connections),
    };
    signal(SIGPIPE, SIG_IGN);
    return RUN_TESTS(tests);
}
