#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/log.h"
#include "../base/metrics.h"
#include "access.h"
#include "connection.h"
#include "sockets.h"

#define ACCEPT_BATCH    64 /* connections of one event, so that others on the loop get their turn */
#define ACCEPT_PAUSE_MS 250 /* after an accept() that failed for want of something */

enum listeners_state {
    LISTENERS_RUNNING,
    LISTENERS_STOPPING, /* idle() is to come */
    LISTENERS_STOPPED,
    LISTENERS_FREEING,
};

/* uv_poll_t and not uv_listen(), which cannot pause: where no descriptor is left it may try again
 * without an end, and it closes whom it cannot take without a word. */
struct listener {
    struct listeners *owner;
    uv_poll_t poll;
    struct listen_address address; /* as when it was opened, whatever was reloaded since */
    int fd;
    int port;
    char name[SOCKET_ADDRESS_SIZE]; /* its address, for the metrics */
    bool inherited;
};

struct listeners {
    struct connections connections;
    enum listeners_state state;
    void (*idle)(void *context);
    void *idle_context;
    int spare; /* a descriptor to close when none is left; -1: it is lost for now */
    uv_timer_t pause;
    size_t open_handles;
    size_t count;
    struct listener items[];
};

static void on_connection(uv_poll_t *poll, int status, int events);
static void on_pause_over(uv_timer_t *timer);
static void on_handle_closed(uv_handle_t *handle);
static void on_connection_left(struct connections *connections);

/* Opening. */

static void log_listening(struct listener *listener)
{
    socket_format_address(&listener->address, listener->port, listener->name);
    log_info("listening", NULL, LOG_TEXT("address", listener->name));
}

/* Takes the socket where it succeeds. */
static int open_listener(uv_loop_t *loop, struct listener *listener, int fd)
{
    if (listen(fd, SOMAXCONN) != 0)
        return -errno;
    listener->port = socket_port(fd);
    int code = listener->port < 0 ? listener->port : uv_poll_init(loop, &listener->poll, fd);
    if (code != 0)
        return code;
    listener->fd = fd;
    listener->poll.data = listener;
    listener->owner->open_handles++;
    return 0;
}

static void listen_on(struct listeners *l)
{
    for (size_t i = 0; i < l->count; i++)
        uv_poll_start(&l->items[i].poll, UV_READABLE, on_connection);
}

/* What listeners have of their own memory. */
static void free_memory(struct listeners *l)
{
    limits_free(l->connections.limits);
    guesses_free(l->connections.guesses);
    resends_free(l->connections.resends);
    free(l->connections.temporary_directory);
    free(l);
}

static struct listeners *make_listeners(uv_loop_t *loop, const struct config *config,
                                        const struct listener_hooks *hooks, void *context,
                                        const char *temporary_directory)
{
    struct listeners *l = calloc(1, sizeof *l + config->smtp.listen_count * sizeof l->items[0]);
    if (!l)
        return NULL;
    l->connections.temporary_directory = strdup(temporary_directory);
    l->connections.limits = limits_new();
    l->connections.guesses = guesses_new();
    l->connections.resends = resends_new();
    if (l->connections.temporary_directory && l->connections.limits && l->connections.guesses &&
        l->connections.resends)
        l->connections.known_logins =
            known_logins_open(loop, l->connections.guesses, config->spool.directory);
    if (!l->connections.known_logins) {
        free_memory(l);
        return NULL;
    }
    l->connections.loop = loop;
    l->connections.hooks = *hooks;
    l->connections.context = context;
    l->connections.left = on_connection_left;
    l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    uv_timer_init(loop, &l->pause);
    l->pause.data = l;
    l->open_handles = 2; /* known_logins' too */
    return l;
}

static int open_listeners(struct listeners *l, const struct smtp_config *smtp,
                          struct listen_socket *sockets, struct error *err)
{
    for (size_t i = 0; i < smtp->listen_count; i++) {
        if (sockets[i].fd < 0)
            continue;
        struct listener *listener = &l->items[l->count];
        listener->owner = l;
        listener->address = smtp->listen[i];
        int code = open_listener(l->connections.loop, listener, sockets[i].fd);
        if (code != 0) {
            char text[SOCKET_ADDRESS_SIZE];
            socket_format_address(&smtp->listen[i], smtp->listen[i].port, text);
            return error_set(err, code, "cannot listen on %s: %s", text, strerror(-code));
        }
        listener->inherited = sockets[i].inherited;
        sockets[i].fd = -1;
        l->count++;
    }
    return l->count > 0 ? 0
                        : error_set(err, -EAFNOSUPPORT, "cannot listen: this machine has no IPv6");
}

int listeners_open(uv_loop_t *loop, const struct config *config, struct listen_socket *sockets,
                   const struct listener_hooks *hooks, void *context,
                   const char *temporary_directory, struct listeners **out, struct error *err)
{
    const struct smtp_config *smtp = &config->smtp;
    struct listeners *l = make_listeners(loop, config, hooks, context, temporary_directory);
    int code = l ? open_listeners(l, smtp, sockets, err)
                 : error_set(err, -ENOMEM, "cannot listen: out of memory");
    sockets_close(sockets, smtp->listen_count);
    if (code != 0) {
        listeners_free(l);
        return code;
    }
    for (size_t i = 0; i < l->count; i++)
        log_listening(&l->items[i]);
    listen_on(l);
    *out = l;
    return 0;
}

/* Accepting. */

static const struct refusal too_many = {421, "4.3.2", "too many connections, try again later"};
static const struct refusal no_resources = {421, "4.3.2", "no resources, try again later"};
static const struct refusal stopping = {421, "4.3.2", "the server is shutting down, closing"};
static const struct refusal no_descriptors = {421, "4.3.2", "no file descriptors, try again later"};

static void turn_away(const struct config *config, int fd, const struct sockaddr *peer,
                      const struct refusal *refusal)
{
    char ip[46], reply[REFUSAL_SIZE];
    connection_format_address(peer, ip);
    if (refusal->code != 0) {
        size_t size = refusal_format(refusal, config->hostname, reply);
        /* A new socket's buffer has room for it; if not, the client sees only the close. */
        ssize_t ignored = send(fd, reply, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)ignored;
    }
    close(fd);
    metric_add(METRIC_SMTP_TURNED_AWAY_TOTAL, 1, refusal->text);
    log_limited(LOG_WARN, "turned-away", NULL, LOG_TEXT("client", ip),
                LOG_TEXT("reason", refusal->text));
}

static void take_client(struct listeners *l, const struct listener *listener, int fd,
                        const struct sockaddr *peer)
{
    struct config *config = l->connections.hooks.config(l->connections.context);
    const struct refusal *refusal = NULL;
    if (l->connections.count >= config->smtp.max_connections)
        refusal = &too_many;
    else {
        int code = connection_open(&l->connections, fd, peer, &listener->address, listener->name,
                                   config, &refusal);
        if (code != 0 && !refusal)
            refusal = &no_resources;
    }
    if (refusal)
        turn_away(config, fd, peer, refusal);
    else
        metric_add(METRIC_SMTP_CONNECTIONS_TOTAL, 1, listener->name);
    config_unref(config);
}

static void pause_accepting(struct listeners *l, int code)
{
    log_limited(LOG_ERROR, "accept-failed", NULL, LOG_TEXT("reason", strerror(code)));
    for (size_t i = 0; i < l->count; i++)
        uv_poll_stop(&l->items[i].poll);
    uv_timer_start(&l->pause, on_pause_over, ACCEPT_PAUSE_MS, 0);
}

static void keep_spare(struct listeners *l)
{
    if (l->spare < 0)
        l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct listeners *l = timer->data;
    keep_spare(l);
    listen_on(l);
}

static int accept_client(const struct listener *listener, union socket_address *peer)
{
    socklen_t size = sizeof *peer;
    memset(peer, 0, sizeof *peer);
    return accept4(listener->fd, &peer->any, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* No descriptor is left: takes the client by the spare one, only to tell it. False: not even that.
 * Nobody need be there: accept(2) looks for a descriptor before it looks for a client. */
static bool turn_away_by_spare(struct listeners *l, const struct listener *listener)
{
    union socket_address peer;
    if (l->spare >= 0)
        close(l->spare);
    l->spare = -1;
    int fd = accept_client(listener, &peer);
    bool nobody = fd < 0 && errno == EAGAIN;
    if (fd >= 0) {
        struct config *config = l->connections.hooks.config(l->connections.context);
        turn_away(config, fd, &peer.any, &no_descriptors);
        config_unref(config);
    }
    keep_spare(l);
    return (fd >= 0 || nobody) && l->spare >= 0;
}

/* accept(2) also tells what went wrong with the client that was to be accepted. */
static bool is_about_client(int code)
{
    switch (code) {
    case EINTR:
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP: return true;
    default: return false;
    }
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct listener *listener = poll->data;
    struct listeners *l = listener->owner;
    if (status != 0) {
        pause_accepting(l, -status);
        return;
    }
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        union socket_address peer;
        int fd = accept_client(listener, &peer);
        if (fd >= 0) {
            take_client(l, listener, fd, &peer.any);
            continue;
        }
        int code = errno;
        if (code == EAGAIN)
            return;
        bool none_left = code == EMFILE || code == ENFILE;
        if (none_left ? !turn_away_by_spare(l, listener) : !is_about_client(code)) {
            pause_accepting(l, code);
            return;
        }
        if (none_left) /* the poll tells if more wait */
            return;
    }
}

/* Stopping. */

static void free_if_over(struct listeners *l)
{
    if (l->open_handles > 0 || l->connections.count > 0)
        return;
    if (l->state == LISTENERS_STOPPING) {
        l->state = LISTENERS_STOPPED;
        l->idle(l->idle_context); /* may call listeners_free() */
    } else if (l->state == LISTENERS_FREEING) {
        free_memory(l);
    }
}

static void on_connection_left(struct connections *connections)
{
    free_if_over((struct listeners *)connections); /* its first member */
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct listeners *l = handle->data;
    l->open_handles--;
    free_if_over(l);
}

static void on_known_logins_closed(void *context)
{
    struct listeners *l = context;
    l->open_handles--;
    free_if_over(l);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    struct listeners *l = listener->owner;
    l->open_handles--;
    free_if_over(l);
}

/* Who is in the kernel's queue would get a reset when its socket is closed. An inherited socket
 * stays open elsewhere: there they wait for the next process. */
static void turn_away_waiting(struct listeners *l, const struct listener *listener)
{
    union socket_address peer;
    struct config *config = l->connections.hooks.config(l->connections.context);
    for (int i = 0; i < SOMAXCONN; i++) {
        int fd = accept_client(listener, &peer);
        if (fd >= 0)
            turn_away(config, fd, &peer.any, &stopping);
        else if (!is_about_client(errno))
            break;
    }
    config_unref(config);
}

static void stop_accepting(struct listeners *l)
{
    for (size_t i = 0; i < l->count; i++) {
        uv_close((uv_handle_t *)&l->items[i].poll, on_poll_closed);
        if (!l->items[i].inherited) {
            turn_away_waiting(l, &l->items[i]);
            socket_unlink(&l->items[i].address);
        }
        close(l->items[i].fd); /* after uv_close(), which took it out of the poll set */
    }
    uv_close((uv_handle_t *)&l->pause, on_handle_closed);
    known_logins_close(l->connections.known_logins, on_known_logins_closed, l);
    l->connections.known_logins = NULL;
    if (l->spare >= 0)
        close(l->spare);
}

void listeners_stop(struct listeners *l, void (*idle)(void *context), void *context)
{
    if (l->state != LISTENERS_RUNNING)
        return;
    l->state = LISTENERS_STOPPING;
    l->idle = idle;
    l->idle_context = context;
    stop_accepting(l);
    connections_shut_down(&l->connections);
}

void listeners_free(struct listeners *l)
{
    if (!l)
        return;
    bool running = l->state == LISTENERS_RUNNING;
    l->state = LISTENERS_FREEING;
    l->open_handles++; /* stays, until this function is through */
    if (running)
        stop_accepting(l);
    connections_abort(&l->connections);
    l->open_handles--;
    free_if_over(l);
}
