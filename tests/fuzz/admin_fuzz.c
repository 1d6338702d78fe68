/*
 * Requests to the admin room, by TCP and by its Unix-domain socket, with a spool and a history that have something in
 * them: each gets a status or a closed connection, each answer in JSON is JSON, and who has no token, or one that may
 * only look, changes nothing and reads nothing of a message.
 *
 * The input: a byte of flags. RAW: the rest is what is sent. Else a byte that picks the address, a line with the query,
 * lines with more of a head, an empty line, and the body.
 */
#include <ftw.h>
#include <jansson.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/spill.h"
#include "fuzz.h"
#include "history/history.h"
#include "smtp/sockets.h"
#include "spool/spool.h"

#define SECRET     "only-for-those-who-may-read"
#define VIEW_TOKEN "0123456789abcdef"
#define REPLY_MAX  (4u << 20)
#define PATIENCE_S 30
#define QUIET_MS                                                                                   \
    200 /* what is no whole request gets no answer: the room waits for the rest of it */

enum flags { RAW = 1, TCP = 2, POST = 4, TOKEN = 8, PAGE = 16 };

static const char *const paths[] = {"/livez",
                                    "/readyz",
                                    "/metrics",
                                    "/",
                                    "/app.js",
                                    "/api/v1/whoami",
                                    "/api/v1/login",
                                    "/api/v1/logout",
                                    "/api/v1/status",
                                    "/api/v1/setup",
                                    "/api/v1/setup/dns",
                                    "/api/v1/events",
                                    "/api/v1/history",
                                    "/api/v1/story",
                                    "/api/v1/message",
                                    "/api/v1/payload",
                                    "/api/v1/queue",
                                    "/api/v1/delivery",
                                    "/api/v1/delivery/payload",
                                    "/api/v1/destinations",
                                    "/api/v1/failures",
                                    "/api/v1/jobs",
                                    "/api/v1/rules",
                                    "/api/v1/queue/retry",
                                    "/api/v1/queue/drop",
                                    "/api/v1/destinations/pause",
                                    "/api/v1/destinations/resume",
                                    "/api/v1/jobs/cancel",
                                    "/api/v1/reload",
                                    "/api/v1/test",
                                    "/api/v1/resend",
                                    "/api/v1/whatif",
                                    "/api/v1/playground"};

static char folder[] = "/tmp/mxhook-admin-fuzz-XXXXXX";
static uv_loop_t loop;
static struct config *config;
static struct admin *admin;
static union socket_address by_tcp, by_unix;
static atomic_bool may_change; /* what is under way came by the Unix-domain socket */

/* ---- The server, as far as the room sees it ---- */

static void on_reload(void *context)
{
    static int turn;
    (void)context;
    EXPECT(may_change);
    admin_reloaded(admin, ++turn & 1, "10.lua:1: it is wrong");
}

static void on_submit(void *context, const char *recipient, struct spill *data,
                      void (*done)(void *token, const char *id, const char *reply), void *token)
{
    (void)context;
    EXPECT(may_change);
    EXPECT(!strpbrk(recipient, "\r\n<> ") && strchr(recipient, '@'));
    spill_free(data);
    done(token, "01abcdefghijklmn-1", "250 2.0.0 Ok");
}

static int on_send(void *context, struct delivery *delivery)
{
    (void)context;
    EXPECT(may_change && delivery->payload && !strpbrk(delivery->destination.url, "\r\n "));
    return 0;
}

static bool on_storage(void *context)
{
    (void)context;
    return false;
}

/* ---- What is there ---- */

static void write_file(const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    EXPECT(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void load_config(void)
{
    char text[2000];
    struct error err;
    snprintf(text, sizeof text,
             "hostname = 'mx.test'\ndomains = { 'example.com' }\nlisten = { '127.0.0.1:0' }\n"
             "dns = { resolvers = { '127.0.0.1:1' } }\nlog_level = 'error'\n"
             "spool = { directory = '%s' }\nrules = { directory = '%s/rules' }\n"
             "history = { subjects = true, bodies = 'all' }\n"
             "admin = { listen = { 'unix:%s/admin.sock', '127.0.0.1:0' }, hosts = { 'mx.test' },\n"
             "  users = { olga = { role = 'operate', password = '$6$salt$none' } },\n"
             "  tokens = { view = { role = 'view', token = '" VIEW_TOKEN "' } } }\n",
             folder, folder, folder);
    write_file("mxhook.lua", text);
    snprintf(text, sizeof text, "%s/rules", folder);
    EXPECT(mkdir(text, 0700) == 0);
    write_file("rules/10.lua", "return function(msg) return 'https://a.example/in' end\n");
    snprintf(text, sizeof text, "%s/mxhook.lua", folder);
    if (config_load(text, &config, &err) != 0)
        fprintf(stderr, "%s\n", err.text);
    EXPECT(config);
}

static void stored(struct commit *commit)
{
    *(bool *)commit->context = true;
}

static struct delivery *make_delivery(int number)
{
    static const char body[] = "{\"subject\":\"" SECRET "\"}";
    static const struct destination to = {.url = "https://a.example/in"};
    char id[ID_SIZE];
    snprintf(id, sizeof id, "01abcdefghijklmn-%d-1", number);
    struct delivery *d = delivery_new(id);
    EXPECT(d && delivery_set_destination(d, &to) == 0);
    d->sender = "ann@client.test";
    d->recipient = "hook@example.com";
    d->created_ms = d->due_ms = clock_unix_ms();
    d->payload = payload_new(spill_from_bytes(body, sizeof body - 1), NULL);
    EXPECT(d->payload);
    return d;
}

static void fill(struct spool *spool, int number)
{
    bool done = false;
    struct delivery *d = make_delivery(number);
    struct commit commit = {.deliveries = d, .done = stored, .context = &done};
    spool_commit(spool, &commit);
    while (!done)
        uv_run(&loop, UV_RUN_ONCE);
    struct history_message *m = history_sent_again(d);
    EXPECT(commit.status == 0 && m);
    m->reply = "250 2.0.0 Ok";
    m->subject = SECRET;
    m->data = spill_from_bytes("Subject: " SECRET "\r\n\r\n", 38);
    history_note_message(m);
    delivery_free(d);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void end(void)
{
    admin_stop(admin);
    uv_run(&loop, UV_RUN_DEFAULT);
    config_unref(config);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void start_admin(void)
{
    static const struct admin_hooks hooks = {on_reload, on_submit, on_send, on_storage, on_storage};
    struct listen_socket sockets[2];
    struct error err;
    EXPECT(sockets_open(config->admin.listen, 2, NULL, 0, sockets, &err) == 0);
    for (int i = 0; i < 2; i++) {
        union socket_address *address = socket_port(sockets[i].fd) > 0 ? &by_tcp : &by_unix;
        socklen_t size = sizeof *address;
        EXPECT(getsockname(sockets[i].fd, &address->any, &size) == 0);
    }
    EXPECT(admin_start(&loop, config, sockets, &hooks, NULL, &admin, &err) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct spool *spool;
    struct error err;
    (void)argc, (void)argv;
    EXPECT(mkdtemp(folder) && uv_loop_init(&loop) == 0);
    load_config();
    log_set_level(LOG_ERROR);
    history_start(config);
    EXPECT(spool_open(&config->spool, &loop, &spool, &err) == 0);
    for (int i = 1; i <= 20; i++)
        fill(spool, i);
    spool_close(spool);
    uv_run(&loop, UV_RUN_NOWAIT);
    history_stop();
    start_admin();
    atexit(end);
    return 0;
}

/* ---- A request ---- */

struct text {
    char bytes[32768];
    size_t size;
};

static void add(struct text *to, const void *bytes, size_t size)
{
    EXPECT(size < sizeof to->bytes - to->size);
    memcpy(to->bytes + to->size, bytes, size);
    to->size += size;
}

static void add_line(struct text *to, const char *line)
{
    add(to, line, strlen(line));
    add(to, "\r\n", 2);
}

/* The next line without its end. */
static const uint8_t *take_line(const uint8_t **data, size_t *size, size_t *length)
{
    const uint8_t *line = *data, *found = memchr(line, '\n', *size);
    *length = found ? (size_t)(found - line) : *size;
    *data += *length + (found != NULL);
    *size -= *length + (found != NULL);
    return line;
}

static void make(struct text *to, unsigned flags, const uint8_t *data, size_t size)
{
    char line[100];
    size_t length;
    const char *path = paths[*data % (sizeof paths / sizeof *paths)];
    data++, size--;
    const uint8_t *query = take_line(&data, &size, &length);
    add(to, flags & POST ? "POST " : "GET ", flags & POST ? 5 : 4);
    add(to, path, strlen(path));
    add(to, "?", length > 0);
    add(to, query, length);
    add_line(to, " HTTP/1.1\r\nHost: localhost\r\nConnection: close");
    if (flags & TOKEN)
        add_line(to, "Authorization: Bearer " VIEW_TOKEN);
    if (flags & PAGE)
        add_line(to, "Sec-Fetch-Site: same-origin");
    for (const uint8_t *more; more = take_line(&data, &size, &length), length > 0;) {
        add(to, more, length);
        add(to, "\r\n", 2);
    }
    if (flags & POST) {
        add_line(to, "Content-Type: application/json");
        snprintf(line, sizeof line, "Content-Length: %zu", size);
        add_line(to, line);
    }
    add(to, "\r\n", 2);
    add(to, data, size);
}

/* ---- Its answer ---- */

static bool has(const char *bytes, size_t size, const char *text)
{
    return memmem(bytes, size, text, strlen(text));
}

static void expect_sound(const char *reply, size_t size, unsigned flags)
{
    const char *body = memmem(reply, size, "\r\n\r\n", 4);
    if (size == 0)
        return; /* closed without a word: what came was no request */
    EXPECT(size > 13 && (memcmp(reply, "HTTP/1.1 ", 9) == 0 || memcmp(reply, "HTTP/1.0 ", 9) == 0));
    EXPECT(reply[9] >= '1' && reply[9] <= '5' && body);
    body += 4;
    size_t head = (size_t)(body - reply);
    if (flags & RAW || !has(reply, head, "Content-Type: application/json") || head == size)
        return;
    json_error_t error;
    json_t *json = json_loadb(body, size - head, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    EXPECT(json);
    json_decref(json);
}

static int connect_to(bool tcp)
{
    const union socket_address *to = tcp ? &by_tcp : &by_unix;
    int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(fd >= 0 && connect(fd, &to->any, tcp ? sizeof to->v4 : sizeof to->un) == 0);
    return fd;
}

static void send_all(int fd, const struct text *request)
{
    for (size_t sent = 0; sent < request->size;) {
        ssize_t n = send(fd, request->bytes + sent, request->size - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* refused before its end */
        sent += (size_t)n;
    }
}

/* Until the connection ends, or what need not be a request is not answered; the loop turns meanwhile. The end of what is
 * sent comes after it: at once it would not be seen, since the library is told of both together. */
static size_t read_all(int fd, char *reply, bool raw)
{
    int64_t began = clock_monotonic_ms();
    bool shut = false;
    size_t size = 0;
    for (ssize_t n = 1; n > 0;) {
        struct pollfd polled = {fd, POLLIN, 0};
        uv_run(&loop, UV_RUN_NOWAIT);
        int64_t waited = clock_monotonic_ms() - began;
        EXPECT(waited < PATIENCE_S * 1000);
        if (poll(&polled, 1, 2) == 0) {
            if (raw && waited > QUIET_MS)
                break;
            if (!shut)
                shut = shutdown(fd, SHUT_WR) == 0;
            continue;
        }
        n = recv(fd, reply + size, REPLY_MAX - size, 0);
        size += n > 0 ? (size_t)n : 0;
        EXPECT(size < REPLY_MAX);
        if (has(reply, size, "text/event-stream"))
            break;
    }
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct text request;
    static char reply[REPLY_MAX];
    if (size < 2 || size > 8192)
        return 0;
    unsigned flags = data[0];
    request.size = 0;
    if (flags & RAW)
        add(&request, data + 1, size - 1);
    else
        make(&request, flags, data + 1, size - 1);
    may_change = !(flags & TCP);
    int fd = connect_to(flags & TCP);
    send_all(fd, &request);
    size_t reply_size = read_all(fd, reply, flags & RAW);
    expect_sound(reply, reply_size, flags);
    EXPECT(!(flags & TCP) || !has(reply, reply_size, SECRET) || /* but what it was told itself */
           has(request.bytes, request.size, SECRET));
    close(fd);
    return 0;
}
