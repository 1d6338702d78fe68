/* connection_out.c - bytes from the session to the socket, through TLS where it is on. */
#include <stdlib.h>
#include <string.h>

#include "connection_private.h"

struct pending_write {
    uv_write_t request;
    char bytes[];
};

size_t connection_write_queue(const struct connection *c)
{
    return uv_stream_get_write_queue_size(&c->socket.stream);
}

static void on_written(uv_write_t *request, int status)
{
    struct connection *c = request->data;
    free(request);
    if (status != 0)
        connection_close(c, uv_strerror(status));
    else
        connection_advance(c);
}

static int queue_write(struct connection *c, const char *bytes, size_t size)
{
    struct pending_write *pending = malloc(sizeof *pending + size);
    if (!pending)
        return UV_ENOMEM;
    memcpy(pending->bytes, bytes, size);
    uv_buf_t buffer = uv_buf_init(pending->bytes, (unsigned)size);
    pending->request.data = c;
    int code = uv_write(&pending->request, &c->socket.stream, &buffer, 1, on_written);
    if (code != 0)
        free(pending);
    return code;
}

/* Sends what can be sent at once, and queues the rest. */
static int write_out(struct connection *c, const char *bytes, size_t size)
{
    uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned)size);
    int sent =
        connection_write_queue(c) > 0 ? UV_EAGAIN : uv_try_write(&c->socket.stream, &buffer, 1);
    if (sent == UV_EAGAIN)
        sent = 0;
    int code = sent < 0 ? sent : 0;
    if (code == 0 && (size_t)sent < size)
        code = queue_write(c, bytes + sent, size - (size_t)sent);
    return code;
}

int connection_write_tls_output(struct connection *c)
{
    const char *bytes;
    size_t size = tls_output(c->tls, &bytes);
    int code = size > 0 ? write_out(c, bytes, size) : 0;
    tls_output_sent(c->tls);
    return code;
}

int connection_write(struct connection *c, const char *bytes, size_t size)
{
    if (!c->tls)
        return write_out(c, bytes, size);
    if (!tls_is_open(c->tls)) /* such as the 421 of a time-out: nobody could read it */
        return 0;
    int code = tls_write(c->tls, bytes, size);
    return code == 0 ? connection_write_tls_output(c) : code;
}
