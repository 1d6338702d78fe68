/* connection_in.c - bytes from the socket to the session, through TLS where it is on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "connection_private.h"

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct connection *c = handle->data;
    *buffer = uv_buf_init(c->owner->input, CONNECTION_READ_SIZE);
}

void connection_read(struct connection *c)
{
    uv_read_start(&c->socket.stream, give_buffer, on_read);
}

/* ---- Content ---- */

static size_t use_input(struct connection *c, const char *bytes, size_t size)
{
    c->using_input = true;
    size_t used = session_input(c->session, bytes, size);
    c->using_input = false;
    return used;
}

static bool can_use_input(const struct connection *c)
{
    return c->state == CONNECTION_OPEN && !session_is_waiting(c->session) &&
           connection_write_queue(c) <= CONNECTION_WRITE_LIMIT;
}

static void use_rest(struct connection *c)
{
    c->rest_at += use_input(c, c->rest + c->rest_at, c->rest_size - c->rest_at);
    if (c->rest_at < c->rest_size && c->state == CONNECTION_OPEN)
        return;
    free(c->rest);
    c->rest = NULL;
}

static void keep_rest(struct connection *c, const char *bytes, size_t size)
{
    c->rest = malloc(size);
    if (!c->rest) {
        connection_close(c, "out of memory");
        return;
    }
    memcpy(c->rest, bytes, size);
    c->rest_at = 0;
    c->rest_size = size;
}

static void receive_content(struct connection *c, const char *bytes, size_t size)
{
    if (c->greeting != GREETING_DONE) {
        connection_refuse_early_talker(c, size);
        return;
    }
    size_t used = use_input(c, bytes, size);
    if (used < size && c->state == CONNECTION_OPEN)
        keep_rest(c, bytes + used, size - used);
}

/* ---- TLS ---- */

static void note_tls_started(struct connection *c)
{
    if (c->tls_started || !tls_is_open(c->tls))
        return;
    c->tls_started = true;
    log_limited(LOG_INFO, "tls", c->id, LOG_TEXT("version", tls_version(c->tls)),
                LOG_TEXT("cipher", tls_cipher(c->tls)), LOG_TEXT("name", tls_server_name(c->tls)),
                LOG_TEXT("resumed", tls_is_resumed(c->tls) ? "yes" : "no"));
    session_tls_started(c->session);
    if (c->greeting == GREETING_TO_COME)
        connection_greet(c);
}

/* One piece of content. False: more must come first, or it is over. */
static bool use_tls_input(struct connection *c)
{
    char *content = c->owner->input; /* what was read into it is inside c->tls by now */
    ssize_t size = tls_take(c->tls, content, CONNECTION_READ_SIZE);
    int code = connection_write_tls_output(c);
    if (code != 0) {
        connection_close(c, uv_strerror(code));
        return false;
    }
    note_tls_started(c);
    if (size > 0 && c->state == CONNECTION_OPEN)
        receive_content(c, content, (size_t)size);
    else if (size == -EPIPE)
        connection_drain(c, "closed by the client");
    else if (size < 0) {
        log_limited(LOG_INFO, "tls-failed", c->id, LOG_TEXT("reason", tls_failure(c->tls)));
        connection_drain(c, "TLS failed");
    }
    return size > 0 && c->state == CONNECTION_OPEN;
}

/* ---- The PROXY header ---- */

/* Returns how many bytes belong to it. */
static size_t take_proxy_header(struct connection *c, const char *bytes, size_t size)
{
    size_t used;
    struct proxy_client client;
    const char *reason;
    switch (proxy_take(c->proxy, bytes, size, &used, &client, &reason)) {
    case PROXY_MORE: break;
    case PROXY_DONE: connection_know_client(c, &client); break;
    case PROXY_BAD: connection_refuse_proxy(c, reason); break;
    }
    return used;
}

/* ---- The socket ---- */

static void receive(struct connection *c, const char *bytes, size_t size)
{
    if (c->state == CONNECTION_PROXY) {
        size_t used = take_proxy_header(c, bytes, size);
        bytes += used;
        size -= used;
    }
    if (c->state == CONNECTION_OPEN && size > 0) {
        if (!c->tls)
            receive_content(c, bytes, size);
        else if (tls_put(c->tls, bytes, size) != 0)
            connection_close(c, "out of memory");
    }
    connection_advance(c);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct connection *c = stream->data;
    if (size > 0 && c->state <= CONNECTION_OPEN)
        receive(c, buffer->base, (size_t)size);
    if (size >= 0)
        return;
    c->end_of_input = true;
    if (size != UV_EOF)
        connection_close(c, uv_strerror((int)size));
    else if (c->shutdown_done)
        connection_close(c, c->reason);
    else
        connection_advance(c);
}

static bool must_wait(const struct connection *c)
{
    return c->state == CONNECTION_OPEN && !can_use_input(c);
}

void connection_advance(struct connection *c)
{
    bool more = true;
    while (more && can_use_input(c)) {
        if (c->rest)
            use_rest(c);
        else
            more = c->tls && use_tls_input(c);
    }
    if (c->state > CONNECTION_OPEN)
        return;
    if (must_wait(c))
        uv_read_stop(&c->socket.stream);
    else if (c->end_of_input)
        connection_drain(c, "closed by the client");
    else
        connection_read(c);
    if (c->state <= CONNECTION_OPEN)
        connection_set_timer(c);
}
