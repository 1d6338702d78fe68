/* connection_client.c - who the client is: by its address, or as its proxy says; and its greeting. */
#include <stdio.h>

#include "../base/log.h"
#include "../base/metrics.h"
#include "connection_private.h"

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

void connection_begin(struct connection *c, const char *ip)
{
    c->wait = WAIT_PROXY;
    if (!c->proxy) {
        log_connect(c, ip, "");
        begin_smtp(c, *ip != 0);
    }
}
