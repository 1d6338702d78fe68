#include "connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../base/metrics.h"
#include "connection_private.h"

static const struct refusal not_a_proxy = {0, "", "only access.proxies may connect here"};
static const struct refusal early_talker = {554, "5.5.1", "you talked before the greeting"};

static void on_timer(uv_timer_t *timer);
static void on_shutdown_done(uv_shutdown_t *request, int status);
static void on_handle_closed(uv_handle_t *handle);

/* ---- Who the client is ---- */

void connection_format_address(const struct sockaddr *address, char text[46])
{
    struct ip_address ip;
    text[0] = 0;
    if (ip_address_from(address, &ip))
        ip_address_format(&ip, text);
}

const struct refusal *connection_enter(struct connection *c, const struct ip_address *address)
{
    struct connections *owner = c->owner;
    int64_t now_ms = (int64_t)uv_now(owner->loop);
    struct config *config = owner->hooks.config(owner->context);
    if (c->counted)
        limits_leave(owner->limits, &c->address, now_ms);
    c->counted = false;
    const struct refusal *refusal = access_enter_unknown(&config->access);
    if (address) {
        c->address = *address;
        refusal = access_enter(&config->access, owner->limits, address, now_ms, &c->counted);
    }
    config_unref(config);
    return refusal;
}

static void log_connect(const struct connection *c, const char *ip, const char *proxy)
{
    if (*proxy)
        log_limited(LOG_INFO, "connect", c->id, LOG_TEXT("client", ip), LOG_TEXT("proxy", proxy));
    else
        log_limited(LOG_INFO, "connect", c->id, LOG_TEXT("client", ip));
}

static void tell_refusal(struct connection *c, const struct refusal *refusal)
{
    char text[REFUSAL_SIZE];
    size_t size = refusal_format(refusal, c->config->hostname, text);
    connection_write(c, text, size); /* where it fails, the client sees only the close */
    connection_drain(c, refusal->text);
}

/* ---- The greeting ---- */

void connection_await_message(struct connection *c)
{
    c->message_due = uv_now(c->timer.loop) + (uint64_t)c->config->smtp.message_timeout_ms;
}

static void greet_now(struct connection *c)
{
    c->greeting = GREETING_DONE;
    session_start(c->session);
}

void connection_greet(struct connection *c)
{
    int64_t pause_ms = c->config->access.greeting_pause_ms;
    if (!c->counted || pause_ms == 0) { /* those without limits are not kept waiting either */
        greet_now(c);
        return;
    }
    c->greeting = GREETING_PAUSE;
    uv_timer_start(&c->timer, on_timer, (uint64_t)pause_ms, 0);
}

void connection_refuse_early_talker(struct connection *c, size_t size)
{
    char ip[46];
    ip_address_format(&c->address, ip);
    log_limited(LOG_WARN, "early-talker", c->id, LOG_TEXT("client", ip),
                LOG_NUMBER("size", (int64_t)size));
    tell_refusal(c, &early_talker);
}

/* Who the client is, is known. Only what connected, or its proxy named, is asked for trust: not
 * what XCLIENT names. */
static void begin_smtp(struct connection *c, bool has_address)
{
    const struct access_config *access = &c->config->access;
    c->state = CONNECTION_OPEN;
    if (has_address && networks_match(access->xclient, access->xclient_count, &c->address) >= 0)
        session_trust(c->session);
    connection_await_message(c);
    if (!c->tls)
        connection_greet(c);
}

/* ---- The PROXY header ---- */

void connection_refuse_proxy(struct connection *c, const char *reason)
{
    log_limited(LOG_WARN, "proxy-refused", c->id, LOG_TEXT("client", session_client(c->session)),
                LOG_TEXT("reason", reason));
    connection_close(c, "no PROXY header");
}

void connection_know_client(struct connection *c, const struct proxy_client *client)
{
    char ip[46], proxy[46];
    const struct refusal *refusal = NULL;
    proxy_reader_free(c->proxy);
    c->proxy = NULL;
    snprintf(proxy, sizeof proxy, "%s", session_client(c->session));
    if (client->known) {
        ip_address_format(&client->address, ip);
        session_set_client(c->session, ip);
        refusal = connection_enter(c, &client->address);
        log_connect(c, ip, proxy);
    } else {
        log_connect(c, proxy, "");
    }
    if (refusal) {
        c->state = CONNECTION_OPEN;
        metric_add(METRIC_SMTP_TURNED_AWAY_TOTAL, 1, refusal->text);
        log_limited(LOG_WARN, "turned-away", c->id, LOG_TEXT("client", ip),
                    LOG_TEXT("reason", refusal->text));
        tell_refusal(c, refusal);
    } else {
        begin_smtp(c, *session_client(c->session) != 0);
    }
}

/* ---- Opening ---- */

static void enter_list(struct connection *c, struct connections *owner)
{
    c->owner = owner;
    c->next = owner->first;
    if (c->next)
        c->next->previous = c;
    owner->first = c;
    owner->count++;
    metric_add(METRIC_SMTP_CONNECTIONS, 1);
}

static void init_handles(struct connection *c, uv_loop_t *loop, int family)
{
    if (family == AF_UNIX)
        uv_pipe_init(loop, &c->socket.pipe, 0);
    else
        uv_tcp_init(loop, &c->socket.tcp);
    uv_timer_init(loop, &c->timer);
    c->socket.handle.data = c->timer.data = c->shutdown.data = c;
    c->open_handles = 2;
}

static struct connection *make_connection(struct connections *connections, int family,
                                          const char *ip, struct config *config)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    id_new(c->id);
    c->config = config;
    c->session = connection_make_session(c, connections, ip);
    if (!c->session) {
        free(c);
        return NULL;
    }
    c->drain_ms = CONNECTION_DRAIN_MS;
    if (config->smtp.command_timeout_ms < CONNECTION_DRAIN_MS)
        c->drain_ms = (uint64_t)config->smtp.command_timeout_ms;
    init_handles(c, connections->loop, family);
    enter_list(c, connections);
    return c;
}

/* Takes the descriptor where it succeeds. */
static int open_socket(struct connection *c, int fd)
{
    if (c->socket.handle.type == UV_NAMED_PIPE)
        return uv_pipe_open(&c->socket.pipe, fd);
    int code = uv_tcp_open(&c->socket.tcp, fd);
    if (code == 0)
        uv_tcp_nodelay(&c->socket.tcp, 1);
    return code;
}

/* A reload may have taken the certificates away from a listener that was opened with some. */
static int take_listener(struct connection *c, const struct listen_address *listener)
{
    session_set_listener(c->session, listener);
    if (listener->proxy && !(c->proxy = proxy_reader_new()))
        return -ENOMEM;
    if (listener->tls != LISTEN_TLS_IMPLICIT)
        return 0;
    c->tls = c->config->tls.context ? tls_new(c->config->tls.context) : NULL;
    return c->tls ? 0 : -ENOMEM;
}

/* A client by a Unix-domain socket has no address: that file's permissions say who may connect. */
static const struct refusal *may_enter(struct connections *connections,
                                       const struct listen_address *listener,
                                       const struct config *config, int family,
                                       const struct ip_address *address, bool *counted)
{
    const struct access_config *access = &config->access;
    *counted = false;
    if (family == AF_UNIX)
        return NULL;
    if (listener->proxy)
        return networks_match(access->proxies, access->proxy_count, address) >= 0 ? NULL
                                                                                  : &not_a_proxy;
    return access_enter(access, connections->limits, address, (int64_t)uv_now(connections->loop),
                        counted);
}

static void start(struct connection *c, const char *ip)
{
    if (c->proxy) {
        c->state = CONNECTION_PROXY;
        uv_timer_start(&c->timer, on_timer, (uint64_t)c->config->access.proxy_timeout_ms, 0);
    } else {
        log_connect(c, ip, "");
        begin_smtp(c, *ip != 0);
    }
    connection_advance(c);
}

int connection_open(struct connections *connections, int fd, const struct sockaddr *peer,
                    const struct listen_address *listener, struct config *config,
                    const struct refusal **refusal)
{
    char ip[46];
    struct ip_address address = {{0}};
    bool counted;
    if (peer->sa_family != AF_UNIX && !ip_address_from(peer, &address))
        return -EAFNOSUPPORT;
    *refusal = may_enter(connections, listener, config, peer->sa_family, &address, &counted);
    if (*refusal)
        return -EACCES;
    connection_format_address(peer, ip);
    struct connection *c = make_connection(connections, peer->sa_family, ip, config);
    if (!c) {
        if (counted)
            limits_leave(connections->limits, &address, (int64_t)uv_now(connections->loop));
        return -ENOMEM;
    }
    c->address = address;
    c->counted = counted;
    int code = take_listener(c, listener);
    if (code == 0)
        code = open_socket(c, fd);
    if (code != 0) {
        connection_close(c, uv_strerror(code));
        return code;
    }
    start(c, ip);
    return 0;
}

/* ---- Time ---- */

void connection_set_timer(struct connection *c)
{
    /* These have started it. */
    if (c->state == CONNECTION_PROXY || c->greeting == GREETING_PAUSE || c->wrong_password)
        return;
    int64_t timeout_ms = session_timeout_ms(c->session);
    if (timeout_ms == 0) {
        uv_timer_stop(&c->timer);
        return;
    }
    uint64_t now = uv_now(c->timer.loop), wait_ms = (uint64_t)timeout_ms;
    uint64_t left_ms = c->message_due > now ? c->message_due - now : 0;
    uv_timer_start(&c->timer, on_timer, left_ms < wait_ms ? left_ms : wait_ms, 0);
}

void connection_password_is_wrong(struct connection *c)
{
    c->wrong_password = true;
    uv_timer_start(&c->timer, on_timer, (uint64_t)CONNECTION_AUTH_MS << c->wrong_passwords++, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct connection *c = timer->data;
    if (c->state == CONNECTION_PROXY) {
        connection_refuse_proxy(c, "not complete in time");
    } else if (c->state != CONNECTION_OPEN) {
        connection_close(c, c->reason);
    } else if (c->greeting == GREETING_PAUSE) {
        greet_now(c);
        connection_advance(c);
    } else if (c->wrong_password) {
        c->wrong_password = false;
        session_verified(c->session, false);
        connection_advance(c);
    } else {
        session_timed_out(c->session);
    }
}

/* ---- Closing ---- */

void connection_drain(struct connection *c, const char *reason)
{
    if (c->state >= CONNECTION_DRAINING)
        return;
    c->state = CONNECTION_DRAINING;
    c->reason = reason;
    int code = 0;
    if (c->tls) {
        tls_close(c->tls);
        code = connection_write_tls_output(c);
    }
    if (code == 0)
        code = uv_shutdown(&c->shutdown, &c->socket.stream, on_shutdown_done);
    if (code != 0) {
        connection_close(c, uv_strerror(code));
        return;
    }
    if (!c->end_of_input)
        connection_read(c);
    uv_timer_start(&c->timer, on_timer, c->drain_ms, 0);
}

static void on_shutdown_done(uv_shutdown_t *request, int status)
{
    struct connection *c = request->data;
    if (c->state == CONNECTION_CLOSED)
        return;
    c->shutdown_done = true;
    if (status != 0 || c->end_of_input)
        connection_close(c, status != 0 ? uv_strerror(status) : c->reason);
    else
        uv_timer_start(&c->timer, on_timer, CONNECTION_LINGER_MS, 0);
}

static void leave_list(struct connection *c)
{
    struct connections *owner = c->owner;
    if (!owner)
        return;
    c->owner = NULL;
    if (c->previous)
        c->previous->next = c->next;
    else
        owner->first = c->next;
    if (c->next)
        c->next->previous = c->previous;
    owner->count--;
    metric_add(METRIC_SMTP_CONNECTIONS, -1);
    if (c->counted)
        limits_leave(owner->limits, &c->address, (int64_t)uv_now(owner->loop));
    owner->left(owner);
}

void connection_free_if_over(struct connection *c)
{
    if (c->open_handles > 0)
        return;
    bool awaited = c->submitted || c->verifying;
    if (!awaited || c->aborted)
        leave_list(c);
    if (awaited)
        return;
    tls_free(c->tls); /* before the session's config, whose certificates it uses */
    proxy_reader_free(c->proxy);
    session_free(c->session);
    free(c->rest);
    free(c);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    c->open_handles--;
    connection_free_if_over(c);
}

void connection_close(struct connection *c, const char *reason)
{
    if (c->state == CONNECTION_CLOSED)
        return;
    log_limited(LOG_INFO, "disconnect", c->id, LOG_TEXT("reason", reason));
    c->state = CONNECTION_CLOSED;
    uv_close(&c->socket.handle, on_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
}

void connections_shut_down(struct connections *connections)
{
    for (struct connection *c = connections->first; c; c = c->next)
        if (c->state == CONNECTION_PROXY)
            connection_drain(c, "the server is shutting down");
        else if (c->state == CONNECTION_OPEN)
            session_shut_down(c->session);
}

void connections_abort(struct connections *connections)
{
    struct connection *next;
    for (struct connection *c = connections->first; c; c = next) {
        next = c->next;
        c->aborted = true;
        connection_close(c, "aborted");
        connection_free_if_over(c);
    }
}
