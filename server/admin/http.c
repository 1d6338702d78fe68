/* HTTP by libmicrohttpd: connections, requests and how each finds its handler. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/log.h"
#include "request.h"

#define CONNECTIONS_MAX 512
#define CONNECTIONS_LOCAL                                                                          \
    64 /* of them are kept for Unix-domain sockets, so that an operator gets in */
#define CONNECTION_MEMORY (32u * 1024) /* of a request's head */
#define IDLE_S            30
#define REQUEST_MS        20000 /* from a request's first byte to its last, however busy it looks */
#define TICK_MS           250

static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src "
                             "'self'; img-src 'self' data:; "
                             "frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/* ---- Responses ---- */

static ssize_t read_spill(void *context, uint64_t offset, char *buffer, size_t size)
{
    ssize_t n = spill_read(context, offset, buffer, size);
    return n > 0    ? n
           : n == 0 ? MHD_CONTENT_READER_END_OF_STREAM
                    : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_spill(void *context)
{
    spill_free(context);
}

static struct MHD_Response *make_response(struct request *request)
{
    struct response *response = &request->response;
    if (response->events)
        return events_response(request);
    if (response->constant)
        return MHD_create_response_from_buffer(response->constant_size, (void *)response->constant,
                                               MHD_RESPMEM_PERSISTENT);
    if (!response->bytes)
        return MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *made = MHD_create_response_from_callback(
        spill_size(response->bytes), 16384, read_spill, response->bytes, free_spill);
    if (made)
        response->bytes = NULL; /* it is the library's */
    return made;
}

static void add_headers(struct request *request, struct MHD_Response *made)
{
    static const char *const fixed[][2] = {{"Content-Security-Policy", policy},
                                           {"X-Content-Type-Options", "nosniff"},
                                           {"Referrer-Policy", "no-referrer"},
                                           {"Cross-Origin-Resource-Policy", "same-origin"},
                                           {"Cross-Origin-Opener-Policy", "same-origin"},
                                           {"Cache-Control", "no-store"}};
    const struct response *response = &request->response;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        MHD_add_response_header(made, fixed[i][0], fixed[i][1]);
    MHD_add_response_header(made, "Content-Type", response->type);
    if (*response->cookie)
        MHD_add_response_header(made, "Set-Cookie", response->cookie);
    if (response->disposition)
        MHD_add_response_header(made, "Content-Disposition", response->disposition);
    if (request->post || request->closes || request->refused || response->status >= 400)
        MHD_add_response_header(made, "Connection", "close");
}

static enum MHD_Result respond(struct request *request)
{
    response_json_end(request);
    struct MHD_Response *made = make_response(request);
    if (!made)
        return MHD_NO;
    add_headers(request, made);
    enum MHD_Result queued =
        MHD_queue_response(request->connection, (unsigned)request->response.status, made);
    MHD_destroy_response(made);
    request->peer->began_ms = 0;
    return queued;
}

/* ---- A request ---- */

static struct config *current_config(struct admin *admin)
{
    uv_mutex_lock(&admin->lock);
    struct config *config = config_ref(admin->config);
    uv_mutex_unlock(&admin->lock);
    return config;
}

static struct request *begin(struct admin *admin, struct MHD_Connection *connection,
                             const char *path, const char *method)
{
    struct request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    request->admin = admin;
    request->config = current_config(admin);
    request->connection = connection;
    request->peer = info->socket_context;
    request->path = path;
    request->post = strcmp(method, "POST") == 0;
    request->head = strcmp(method, "HEAD") == 0;
    request->response = (struct response){.status = 200, .type = "application/json"};
    return request;
}

static bool take_body(struct request *request, const char *bytes, size_t size)
{
    if (request->body_size + size > ADMIN_BODY_MAX)
        return false;
    char *body = realloc(request->body, request->body_size + size + 1);
    if (!body)
        return false;
    memcpy(body + request->body_size, bytes, size);
    request->body = body;
    request->body_size += size;
    body[request->body_size] = 0;
    return true;
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **own)
{
    struct request *request = *own;
    if (!request) {
        *own = request = begin(context, connection, url, method);
        if (!request)
            return MHD_NO;
        return request_admit(request, method, version) ? MHD_YES : respond(request);
    }
    request->path = url;
    if (*upload_size > 0) {
        if (!request->refused && !take_body(request, upload, *upload_size)) {
            response_error(request, 413, "more than %u bytes", ADMIN_BODY_MAX);
            request->refused = true;
        }
        *upload_size = 0;
        return MHD_YES;
    }
    if (!request->refused && !request->suspended && !request->handled) {
        if (request->route->thread == THREAD_HTTP)
            request->route->handle(request);
        else
            readers_take(request);
    }
    return request->suspended ? MHD_YES : respond(request);
}

static void ended(void *context, struct MHD_Connection *connection, void **own,
                  enum MHD_RequestTerminationCode code)
{
    struct request *request = *own;
    (void)context;
    (void)connection;
    (void)code;
    if (!request)
        return;
    response_release(&request->response);
    config_unref(request->config);
    spill_free(request->test);
    free(request->test_reply);
    free(request->body);
    free(request);
    *own = NULL;
}

/* ---- Connections ---- */

static void connection_changed(void *context, struct MHD_Connection *connection, void **own,
                               enum MHD_ConnectionNotificationCode code)
{
    struct admin *admin = context;
    struct peer *peer = *own;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED && peer) {
        *peer->link = peer->next;
        if (peer->next)
            peer->next->link = peer->link;
        admin->remote_count -= !peer->local;
        free(peer);
        *own = NULL;
    }
    if (code != MHD_CONNECTION_NOTIFY_STARTED || !(peer = calloc(1, sizeof *peer)))
        return;
    /* One after the other: from 1.0 on the next answer of the library may stand where the last one stood. */
    peer->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const struct sockaddr *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    peer->local = client->sa_family == AF_UNIX;
    admin->remote_count += !peer->local;
    if (!peer->local)
        getnameinfo(client,
                    client->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                  : sizeof(struct sockaddr_in),
                    peer->address, sizeof peer->address, NULL, 0, NI_NUMERICHOST);
    peer->loopback = strncmp(peer->address, "127.", 4) == 0 || strcmp(peer->address, "::1") == 0;
    peer->began_ms = clock_monotonic_ms();
    peer->next = admin->peers;
    peer->link = &admin->peers;
    if (peer->next)
        peer->next->link = &peer->next;
    admin->peers = peer;
    *own = peer;
}

/* The library's own limit is for those that send nothing at all. */
static void end_slow_ones(struct admin *admin)
{
    int64_t now = clock_monotonic_ms();
    for (struct peer *peer = admin->peers; peer; peer = peer->next)
        if (peer->began_ms && now - peer->began_ms > REQUEST_MS) {
            shutdown(peer->fd, SHUT_RDWR);
            peer->began_ms = 0;
        }
}

static void *note_uri(void *context, const char *uri, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct peer *peer = info ? info->socket_context : NULL;
    (void)context;
    if (peer && !peer->began_ms)
        peer->began_ms = clock_monotonic_ms();
    if (peer)
        peer->nul = strstr(uri, "%00") != NULL;
    return NULL;
}

static void accept_clients(struct admin *admin, int listener)
{
    union {
        struct sockaddr any;
        struct sockaddr_storage space;
    } address;
    for (int i = 0; i < 64; i++) {
        socklen_t size = sizeof address;
        memset(&address, 0, sizeof address);
        int fd = accept4(listener, &address.any, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        if (address.any.sa_family == AF_UNIX) {
            size = sizeof(sa_family_t);
        } else if (admin->remote_count >= CONNECTIONS_MAX - CONNECTIONS_LOCAL) {
            close(fd);
            continue;
        }
        MHD_add_connection(admin->daemon, fd, &address.any, size); /* closes it where it fails */
    }
}

/* ---- The thread ---- */

int http_start(struct admin *admin, struct error *err)
{
    for (size_t i = 0; i < admin->listener_count; i++)
        if (admin->listeners[i] >= 0 && listen(admin->listeners[i], SOMAXCONN) != 0)
            return error_set(err, -errno, "admin.listen: %s", strerror(errno));
    admin->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle,
        admin, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_NOTIFY_COMPLETED, ended, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, connection_changed, admin, MHD_OPTION_URI_LOG_CALLBACK,
        note_uri, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    return admin->daemon ? 0 : error_set(err, -ENOMEM, "admin: libmicrohttpd cannot be started");
}

/* Those that wait for a reload which is done. */
static void resume_reloaded(struct admin *admin)
{
    uint64_t number = atomic_load(&admin->reload_number);
    for (struct request *r = admin->waiting, *next; r; r = next) {
        next = r->next;
        if (r->reload_number && r->reload_number <= number)
            request_resume(r);
    }
}

static int wait_ms(struct admin *admin)
{
    MHD_UNSIGNED_LONG_LONG timeout;
    if (MHD_get_timeout(admin->daemon, &timeout) == MHD_YES && timeout < TICK_MS)
        return (int)timeout;
    return TICK_MS;
}

static void run_tasks(struct admin *admin)
{
    for (struct task *task = task_queue_poll_all(&admin->to_admin), *next; task; task = next) {
        next = task->next;
        task->run(task, admin);
    }
}

void http_run(struct admin *admin)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct pollfd polled[ADMIN_LISTENERS + 2];
    int64_t ticked_ms = 0;
    for (size_t i = 0; i < admin->listener_count; i++)
        polled[i] = (struct pollfd){admin->listeners[i], POLLIN, 0};
    polled[admin->listener_count] = (struct pollfd){admin->wake, POLLIN, 0};
    polled[admin->listener_count + 1] = (struct pollfd){info->epoll_fd, POLLIN, 0};
    while (!atomic_load(&admin->ended)) {
        poll(polled, admin->listener_count + 2, wait_ms(admin));
        for (size_t i = 0; i < admin->listener_count; i++)
            if (polled[i].revents)
                accept_clients(admin, admin->listeners[i]);
        uint64_t count;
        if (polled[admin->listener_count].revents && read(admin->wake, &count, sizeof count) < 0)
            continue;
        run_tasks(admin);
        resume_reloaded(admin);
        MHD_run(admin->daemon);
        if (clock_monotonic_ms() - ticked_ms < TICK_MS)
            continue;
        ticked_ms = clock_monotonic_ms();
        readers_tick(admin);
        end_slow_ones(admin);
        events_tick(admin->events);
    }
    readers_stop(admin);
    run_tasks(admin);
    while (admin->waiting) /* or the daemon cannot be stopped */
        request_resume(admin->waiting);
    events_free(admin->events);
    admin->events = NULL;
    MHD_run(admin->daemon);
    MHD_stop_daemon(admin->daemon);
}
