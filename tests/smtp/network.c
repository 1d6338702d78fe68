#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../descriptors.h"

#define PATIENCE_MS 60000

uv_loop_t loop;
struct config *config;
struct listeners *listeners;
int ports[MAX_SOCKETS];
struct pending pending[MAX_PENDING];
size_t pending_count;
struct question questions[MAX_PENDING];
size_t question_count;
int rules_held, idle_calls;
bool answers_inside;

int allocations = -1;
size_t size_granted;
size_t most_allocated;
static size_t allocated; /* in this turn */

/* The linker sends our calls of these here (see CMakeLists.txt). */
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
    return size != size_granted && allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

/* The stub of the server. */

struct config *on_config(void *context)
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

static enum recipient_answer on_check(void *context, struct ruleset *rules, const char *recipient,
                                      void (*done)(void *token, enum recipient_answer answer),
                                      void *token)
{
    (void)context;
    assert_ptr_equal(rules, &rules_held);
    if (strncmp(recipient, "slow", 4) == 0) {
        assert_true(question_count < MAX_PENDING);
        questions[question_count++] = (struct question){done, token};
        return RECIPIENT_WAIT;
    }
    return strncmp(recipient, "unknown@", 8) == 0 ? RECIPIENT_UNKNOWN : RECIPIENT_OK;
}

void answer(size_t index)
{
    struct reply reply;
    reply_set(&reply, 250, "2.0.0", "OK");
    transaction_free(pending[index].transaction);
    pending[index].done(pending[index].token, &reply, 1, 0);
}

static void on_submit(void *context, struct transaction *transaction,
                      void (*done)(void *token, const struct reply *replies, size_t count,
                                   uint64_t digest),
                      void *token)
{
    (void)context;
    assert_true(pending_count < MAX_PENDING);
    pending[pending_count++] = (struct pending){transaction, done, token};
    if (answers_inside)
        answer(pending_count - 1);
}

void on_idle(void *context)
{
    (void)context;
    idle_calls++;
}

/* Time and the loop. */

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool turn(int64_t start)
{
    allocated = 0;
    uv_run(&loop, UV_RUN_NOWAIT);
    if (allocated > most_allocated)
        most_allocated = allocated;
    usleep(200);
    return now_ms() - start < PATIENCE_MS;
}

void run_for(int64_t ms)
{
    for (int64_t start = now_ms(); now_ms() - start < ms;)
        turn(start);
}

int open_listeners(const struct config *with, const struct listener_hooks *hooks,
                   struct listeners **out, int opened[MAX_SOCKETS], struct error *err)
{
    struct listen_socket sockets[MAX_SOCKETS];
    assert_true(with->smtp.listen_count <= MAX_SOCKETS);
    int code = sockets_open(with->smtp.listen, with->smtp.listen_count, NULL, 0, sockets, err);
    for (size_t i = 0; code == 0 && i < with->smtp.listen_count; i++)
        opened[i] = socket_port(sockets[i].fd);
    return code == 0 ? listeners_open(&loop, with, sockets, hooks, NULL, "/tmp", out, err) : code;
}

static size_t open_before; /* descriptors */

void open_all(const char *more)
{
    static const struct listener_hooks hooks = {.config = on_config,
                                                .rules = on_rules,
                                                .release_rules = on_release,
                                                .check_recipient = on_check,
                                                .submit = on_submit};
    struct error err = {""};
    config = fixture_config(more);
    pending_count = question_count = 0;
    idle_calls = 0;
    answers_inside = false;
    most_allocated = 0;
    open_before = count_descriptors();
    assert_int_equal(uv_loop_init(&loop), 0);
    if (open_listeners(config, &hooks, &listeners, ports, &err) != 0)
        fail_msg("%s", err.text);
}

void free_listeners(void)
{
    listeners_free(listeners);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

void close_all(void)
{
    free_listeners();
    assert_int_equal(rules_held, 0);
    config_unref(config);
    assert_int_equal(count_descriptors(), open_before);
}

/* Clients. */

int connect_to(size_t listener)
{
    bool v6 = strchr(config->smtp.listen[listener].host, ':');
    struct sockaddr_in v4_address = {.sin_family = AF_INET};
    struct sockaddr_in6 v6_address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    in_port_t port = htons((in_port_t)ports[listener]);
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

void expect(int fd, const char *text)
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

void expect_nothing(int fd)
{
    char byte;
    run_for(30);
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
}

void expect_closed(int fd)
{
    char byte;
    ssize_t n;
    WAIT_FOR((n = recv(fd, &byte, 1, 0)) == 0 || (n < 0 && errno != EAGAIN));
    close(fd);
}

void say(int fd, const char *text)
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

void begin_data(int fd)
{
    expect(fd, GREETING);
    say(fd, HELLO TRANSACTION);
    expect(fd, HELLO_REPLY TRANSACTION_REPLY);
}

void reset(int fd)
{
    const struct linger hard = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
}
