/* connection_open.c - a connection is made, and entered in its list; all of a list end. */
#include <errno.h>
#include <stdlib.h>

#include "../base/metrics.h"
#include "connection_private.h"

static const struct refusal not_a_proxy = {0, "", "only access.proxies may connect here"};

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
    connection_begin(c, ip);
    connection_act(c);
    return 0;
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
