#include "stream.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

struct pending_write {
    uv_write_t request;
    char bytes[];
};

static void on_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buffer);

void stream_init(struct stream *stream, uv_loop_t *loop, int family, char *buffer,
                 const struct stream_upcalls *upcalls, void *context)
{
    *stream = (struct stream){.upcalls = upcalls, .context = context, .buffer = buffer};
    if (family == AF_UNIX)
        uv_pipe_init(loop, &stream->socket.pipe, 0);
    else
        uv_tcp_init(loop, &stream->socket.tcp);
    stream->socket.handle.data = stream->shutdown.data = stream;
}

int stream_open(struct stream *stream, int fd)
{
    if (stream->socket.handle.type == UV_NAMED_PIPE)
        return uv_pipe_open(&stream->socket.pipe, fd);
    int code = uv_tcp_open(&stream->socket.tcp, fd);
    if (code == 0)
        uv_tcp_nodelay(&stream->socket.tcp, 1);
    return code;
}

enum stream_state stream_state(const struct stream *stream)
{
    return stream->state;
}

bool stream_is_at_end(const struct stream *stream)
{
    return stream->at_end;
}

const char *stream_reason(const struct stream *stream)
{
    return stream->reason ? stream->reason : "";
}

static void end_as(struct stream *stream, enum stream_state state, const char *reason)
{
    if (stream->state >= state)
        return;
    stream->state = state;
    stream->reason = reason;
}

static void broken(struct stream *stream, int code)
{
    end_as(stream, STREAM_BROKEN, uv_strerror(code));
}

/* ---- Out ---- */

size_t stream_queued(const struct stream *stream)
{
    return uv_stream_get_write_queue_size(&stream->socket.stream);
}

static void on_written(uv_write_t *request, int status)
{
    struct stream *stream = request->data;
    free(request);
    if (uv_is_closing(&stream->socket.handle))
        return;
    if (status != 0)
        broken(stream, status);
    if (status != 0)
        stream->upcalls->closed(stream->context);
    else
        stream->upcalls->drained(stream->context);
}

static int queue_write(struct stream *stream, const char *bytes, size_t size)
{
    struct pending_write *pending = malloc(sizeof *pending + size);
    if (!pending)
        return UV_ENOMEM;
    memcpy(pending->bytes, bytes, size);
    uv_buf_t buffer = uv_buf_init(pending->bytes, (unsigned)size);
    pending->request.data = stream;
    int code = uv_write(&pending->request, &stream->socket.stream, &buffer, 1, on_written);
    if (code != 0)
        free(pending);
    return code;
}

/* Sends what can be sent at once, and queues the rest. */
static void write_out(struct stream *stream, const char *bytes, size_t size)
{
    uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned)size);
    int sent =
        stream_queued(stream) > 0 ? UV_EAGAIN : uv_try_write(&stream->socket.stream, &buffer, 1);
    if (sent == UV_EAGAIN)
        sent = 0;
    int code = sent < 0 ? sent : 0;
    if (code == 0 && (size_t)sent < size)
        code = queue_write(stream, bytes + sent, size - (size_t)sent);
    if (code != 0)
        broken(stream, code);
}

static void write_tls_output(struct stream *stream)
{
    const char *bytes;
    size_t size = tls_output(stream->tls, &bytes);
    if (size > 0 && stream->state != STREAM_BROKEN)
        write_out(stream, bytes, size);
    tls_output_sent(stream->tls);
}

bool stream_write(struct stream *stream, const char *bytes, size_t size)
{
    if (stream->state == STREAM_BROKEN)
        return false;
    if (!stream->tls) {
        write_out(stream, bytes, size);
    } else if (tls_is_open(stream->tls)) {
        if (tls_write(stream->tls, bytes, size) != 0)
            end_as(stream, STREAM_BROKEN, tls_failure(stream->tls));
        write_tls_output(stream);
    }
    return stream->state != STREAM_BROKEN;
}

static void on_shutdown_done(uv_shutdown_t *request, int status)
{
    struct stream *stream = request->data;
    if (uv_is_closing(&stream->socket.handle))
        return;
    stream->finished = status == 0;
    if (status != 0)
        broken(stream, status);
    if (status != 0)
        stream->upcalls->closed(stream->context);
    else
        stream->upcalls->drained(stream->context);
}

bool stream_end(struct stream *stream)
{
    stream->ending = true;
    stream->content_size = 0;
    if (stream->tls) {
        tls_close(stream->tls);
        write_tls_output(stream);
    }
    if (stream->state == STREAM_BROKEN)
        return false;
    int code = uv_shutdown(&stream->shutdown, &stream->socket.stream, on_shutdown_done);
    if (code != 0)
        broken(stream, code);
    else
        stream_read(stream);
    return code == 0;
}

bool stream_is_finished(const struct stream *stream)
{
    return stream->finished;
}

/* ---- What the client has ---- */

uint64_t stream_received(const struct stream *stream)
{
    int fd, waiting = 0;
    if (uv_fileno(&stream->socket.handle, &fd) == 0)
        (void)ioctl(fd, FIONREAD, &waiting);
    return stream->received + (waiting > 0 ? (uint64_t)waiting : 0);
}

bool stream_is_unread(const struct stream *stream)
{
    int fd, error = 0, unread = 0;
    socklen_t size = sizeof error;
    if (stream->state == STREAM_BROKEN || stream_queued(stream) > 0 ||
        uv_fileno(&stream->socket.handle, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0 ||
        ioctl(fd, SIOCOUTQ, &unread) != 0)
        return true;
    /* TCP counts our FIN as well. */
    return unread > (stream->finished && stream->socket.handle.type == UV_TCP ? 1 : 0);
}

/* ---- In ---- */

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct stream *stream = handle->data;
    *buffer = uv_buf_init(stream->buffer, STREAM_READ_SIZE);
}

/* The shared buffer is somebody else's after this. */
static void keep_content(struct stream *stream)
{
    if (stream->content_size == 0) {
        free(stream->kept);
        stream->kept = NULL;
    } else if (!stream->kept) {
        stream->kept = malloc(stream->content_size);
        if (stream->kept) {
            memcpy(stream->kept, stream->content, stream->content_size);
            stream->content = stream->kept;
        } else {
            stream->content_size = 0;
            broken(stream, UV_ENOMEM);
        }
    }
}

static void put_into_tls(struct stream *stream, const char *bytes, size_t size)
{
    if (tls_put(stream->tls, bytes, size) != 0)
        broken(stream, UV_ENOMEM);
}

int stream_start_tls(struct stream *stream, const struct tls_context *context, int min_version)
{
    stream->tls = tls_new(context, min_version);
    if (!stream->tls)
        return -ENOMEM;
    size_t size = stream->content_size;
    stream->content_size = 0;
    put_into_tls(stream, stream->content, size);
    keep_content(stream);
    return stream->state == STREAM_BROKEN ? -ENOMEM : 0;
}

const struct tls *stream_tls(const struct stream *stream)
{
    return stream->tls;
}

static void take_from_tls(struct stream *stream)
{
    ssize_t size = tls_take(stream->tls, stream->buffer, STREAM_READ_SIZE);
    write_tls_output(stream);
    if (size > 0) {
        stream->content = stream->buffer;
        stream->content_size = (size_t)size;
    } else if (size == -EPIPE) {
        end_as(stream, STREAM_ENDED, NULL);
    } else if (size < 0) {
        end_as(stream, STREAM_TLS_FAILED, tls_failure(stream->tls));
    }
}

size_t stream_content(struct stream *stream, const char **bytes)
{
    if (stream->content_size == 0 && stream->kept)
        keep_content(stream);
    if (stream->content_size == 0 && stream->tls && stream->state == STREAM_OPEN)
        take_from_tls(stream);
    if (stream->content_size == 0 && stream->at_end)
        end_as(stream, STREAM_ENDED, NULL);
    *bytes = stream->content;
    return stream->content_size;
}

void stream_use(struct stream *stream, size_t size)
{
    if (size > stream->content_size) /* it was thrown away meanwhile */
        size = stream->content_size;
    stream->content += size;
    stream->content_size -= size;
}

static void receive(struct stream *stream, const char *bytes, size_t size)
{
    if (stream->ending)
        return;
    assert(stream->content_size == 0); /* else it would not be read */
    if (stream->tls) {
        put_into_tls(stream, bytes, size);
    } else {
        stream->content = bytes;
        stream->content_size = size;
    }
    stream->upcalls->input(stream->context);
    keep_content(stream);
}

static void on_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buffer)
{
    struct stream *stream = handle->data;
    if (size > 0 && stream->paused)
        uv_read_stop(handle);
    if (size > 0) {
        stream->received += (uint64_t)size;
        receive(stream, buffer->base, (size_t)size);
    }
    if (size >= 0)
        return;
    uv_read_stop(handle);
    stream->at_end = true;
    if (size != UV_EOF)
        broken(stream, (int)size);
    else if (stream->ending)
        end_as(stream, STREAM_ENDED, NULL);
    stream->upcalls->closed(stream->context);
}

void stream_read(struct stream *stream)
{
    keep_content(stream);
    stream->paused = false;
    if (stream->state != STREAM_BROKEN && !stream->at_end && !uv_is_closing(&stream->socket.handle))
        uv_read_start(&stream->socket.stream, give_buffer, on_read);
}

void stream_pause(struct stream *stream)
{
    keep_content(stream);
    stream->paused = true;
    if (stream->content_size > 0)
        uv_read_stop(&stream->socket.stream);
}

/* ---- The end ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;
    stream->gone(stream->context);
}

void stream_close(struct stream *stream, void (*gone)(void *context))
{
    stream->gone = gone;
    stream->content_size = 0;
    uv_close(&stream->socket.handle, on_handle_closed);
}

void stream_free(struct stream *stream)
{
    tls_free(stream->tls);
    free(stream->kept);
}
