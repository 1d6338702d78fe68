#include "connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../base/metrics.h"
#include "../base/spill.h"
#include "connection_private.h"

static const struct refusal not_a_proxy = {0, "", "only access.proxies may connect here"};

static void on_gone(void *context);
static void on_timer_closed(uv_handle_t *handle);

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

void connection_turn_away(struct connection *c, const struct refusal *refusal)
{
    char text[REFUSAL_SIZE];
    size_t size = refusal_format(refusal, c->config->hostname, text);
    stream_write(&c->stream, text, size); /* where it fails, the client sees only the close */
    connection_end(c, refusal->text);
}

/* ---- The greeting ---- */

void connection_await_message(struct connection *c)
{
    c->message_due = uv_now(c->timer.loop) + (uint64_t)c->config->smtp.message_timeout_ms;
}

void connection_greet(struct connection *c)
{
    /* Those without limits are not kept waiting either. */
    bool pauses = c->counted && c->config->access.greeting_pause_ms > 0;
    c->wait = pauses ? WAIT_GREETING : WAIT_CLIENT;
    if (!pauses)
        session_start(c->session);
}

/* Who the client is, is known. Only what connected, or its proxy named, is asked for trust: not
 * what XCLIENT names. */
static void begin_smtp(struct connection *c, bool has_address)
{
    const struct access_config *access = &c->config->access;
    if (has_address && networks_match(access->xclient, access->xclient_count, &c->address) >= 0)
        session_trust(c->session);
    connection_await_message(c);
    if (c->tls == LISTEN_TLS_IMPLICIT)
        c->wait = WAIT_HANDSHAKE;
    else
        connection_greet(c);
}

/* ---- The PROXY header ---- */

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
        metric_add(METRIC_SMTP_TURNED_AWAY_TOTAL, 1, refusal->text);
        log_limited(LOG_WARN, "turned-away", c->id, LOG_TEXT("client", ip),
                    LOG_TEXT("reason", refusal->text));
        connection_turn_away(c, refusal);
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
    stream_init(&c->stream, connections->loop, family, connections->input, &connection_upcalls, c);
    uv_timer_init(connections->loop, &c->timer);
    c->timer.data = c;
    c->open_handles = 2;
    c->timed = WAIT_CLOSED; /* nothing yet */
    enter_list(c, connections);
    return c;
}

/* A reload may have taken the certificates away from a listener that was opened with some. */
static int take_listener(struct connection *c, const struct listen_address *listener)
{
    session_set_listener(c->session, listener);
    c->tls = listener->tls;
    c->min_version = listener->min_version;
    if (listener->proxy && !(c->proxy = proxy_reader_new()))
        return -ENOMEM;
    return c->tls == LISTEN_TLS_IMPLICIT && !c->config->tls.context ? -ENOMEM : 0;
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
    c->wait = WAIT_PROXY;
    if (!c->proxy) {
        log_connect(c, ip, "");
        begin_smtp(c, *ip != 0);
    }
    connection_act(c);
}

int connection_open(struct connections *connections, int fd, const struct sockaddr *peer,
                    const struct listen_address *listener, const char *name, struct config *config,
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
    c->listener = name;
    metric_add(METRIC_SMTP_CONNECTIONS, 1, name);
    c->address = address;
    c->counted = counted;
    int code = take_listener(c, listener);
    if (code == 0)
        code = stream_open(&c->stream, fd);
    if (code != 0) {
        connection_close(c, uv_strerror(code));
        return code;
    }
    start(c, ip);
    return 0;
}

/* ---- Closing ---- */

void connection_end(struct connection *c, const char *reason)
{
    if (c->wait >= WAIT_END)
        return;
    c->wait = WAIT_END;
    c->reason = reason;
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
    metric_add(METRIC_SMTP_CONNECTIONS, -1, c->listener);
    if (c->counted)
        limits_leave(owner->limits, &c->address, (int64_t)uv_now(owner->loop));
    owner->left(owner);
}

void connection_free_if_over(struct connection *c)
{
    if (c->open_handles > 0)
        return;
    if (c->awaited == 0 || c->aborted)
        leave_list(c);
    if (c->awaited > 0)
        return;
    stream_free(&c->stream); /* before the session's config, whose certificates it uses */
    proxy_reader_free(c->proxy);
    session_free(c->session);
    spill_free(c->data);
    free(c);
}

static void on_gone(void *context)
{
    struct connection *c = context;
    c->open_handles--;
    connection_free_if_over(c);
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_gone(handle->data);
}

void connection_close(struct connection *c, const char *reason)
{
    if (c->wait == WAIT_CLOSED)
        return;
    connection_lose(c);
    log_limited(LOG_INFO, "disconnect", c->id, LOG_TEXT("reason", reason));
    c->wait = WAIT_CLOSED;
    stream_close(&c->stream, on_gone);
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

void connections_shut_down(struct connections *connections)
{
    for (struct connection *c = connections->first; c; c = c->next) {
        if (c->wait == WAIT_PROXY)
            connection_end(c, "the server is shutting down");
        else if (c->wait < WAIT_END)
            session_shut_down(c->session);
        connection_act(c);
    }
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
