/*
 * mxhook sink: a receiver to try things out with, on this machine.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "cli.h"
#include "pretty.h"
#include "sink_request.h"

static const char help[] =
    "Usage: mxhook sink [OPTION]...\n"
    "Receives webhooks and prints them, until it is interrupted.\n\n"
    "      --port PORT      where to listen (default 8080; 0: the kernel picks one)\n"
    "      --address IP     (default 127.0.0.1)\n"
    "      --status CODE    what to answer (default 200)\n"
    "      --delay MS       before answering (default 0)\n"
    "      --verify SECRET  checks signatures (Standard Webhooks), and answers 401 to\n"
    "                       wrong ones\n"
    "      --quiet          a line for each request only\n"
    "  -h, --help           this text\n";

struct sink {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_signal_t interrupt, terminate;
    const char *address, *verify;
    int port, status, delay_ms;
    bool quiet;
    unsigned long requests;
};

struct client {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    struct sink *sink;
    char *buffer; /* what has come and is not answered */
    size_t used, capacity;
    char answer[200];
    int open_handles;
    bool answering, closing;
};

/* ---- Printing ---- */

static void print_head(const struct sink_request *r)
{
    const char *line = r->head, *end = r->head + r->head_size - 2;
    while (line < end) {
        size_t size = (size_t)(strstr(line, "\r\n") - line);
        fputs("  ", stdout);
        pretty_safe(stdout, line, size);
        putchar('\n');
        line += size + 2;
    }
}

static void print_request(struct sink *sink, const struct sink_request *r, int status,
                          const char *signature)
{
    char id[SINK_VALUE_SIZE];
    printf("#%lu %zu bytes, id ", ++sink->requests, r->body_size);
    sink_request_header(r, "webhook-id", id);
    pretty_safe(stdout, *id ? id : "-", strlen(*id ? id : "-"));
    if (sink->verify)
        printf(", signature %s", signature ? signature : "ok");
    printf(", answered %d\n", status);
    if (!sink->quiet) {
        print_head(r);
        pretty_json(stdout, r->body, r->body_size, 2);
        putchar('\n');
    }
    fflush(stdout);
}

/* ---- Clients ---- */

static void handle_closed(uv_handle_t *handle)
{
    struct client *c = handle->data;
    if (--c->open_handles > 0)
        return;
    free(c->buffer);
    free(c);
}

static void client_close(struct client *c)
{
    if (c->closing)
        return;
    c->closing = true;
    uv_close((uv_handle_t *)&c->tcp, handle_closed);
    uv_close((uv_handle_t *)&c->timer, handle_closed);
}

static void client_advance(struct client *c);

static void on_written(uv_write_t *write, int status)
{
    struct client *c = write->data;
    c->answering = false;
    if (status != 0)
        client_close(c);
    else if (!c->closing)
        client_advance(c);
}

static void answer_now(uv_timer_t *timer)
{
    struct client *c = timer->data;
    uv_buf_t buffer = uv_buf_init(c->answer, (unsigned)strlen(c->answer));
    c->write.data = c;
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buffer, 1, on_written) != 0)
        client_close(c);
}

static void answer(struct client *c, int status)
{
    snprintf(c->answer, sizeof c->answer,
             "HTTP/1.1 %d Sink\r\ncontent-length: 0\r\nserver: mxhook-sink\r\n\r\n", status);
    c->answering = true;
    uv_timer_start(&c->timer, answer_now, (uint64_t)c->sink->delay_ms, 0);
}

/* Answers the first whole request, if there is one. */
static void client_advance(struct client *c)
{
    struct sink_request r;
    if (c->answering || c->used == 0)
        return;
    int found = sink_request_parse(c->buffer, c->used, &r);
    if (found == 0)
        return;
    if (found != 1) {
        c->used = 0; /* and nothing more is read as a request: the client sees why, and closes */
        answer(c, found);
        return;
    }
    const char *signature = c->sink->verify ? sink_request_check(&r, c->sink->verify) : NULL;
    int status = signature ? 401 : c->sink->status;
    print_request(c->sink, &r, status, signature);
    c->used -= r.head_size + r.body_size;
    memmove(c->buffer, r.body + r.body_size, c->used + 1);
    answer(c, status);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct client *c = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(NULL, 0);
    if (c->capacity - c->used < 65537) {
        size_t capacity = c->capacity ? c->capacity * 2 : 131072;
        char *grown =
            capacity > SINK_BODY_MAX + 2 * SINK_HEAD_MAX ? NULL : realloc(c->buffer, capacity);
        if (!grown)
            return; /* libuv then reports ENOBUFS */
        c->buffer = grown;
        c->capacity = capacity;
    }
    *buffer = uv_buf_init(c->buffer + c->used, 65536);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct client *c = stream->data;
    (void)buffer;
    if (size < 0) {
        client_close(c);
        return;
    }
    c->used += (size_t)size;
    c->buffer[c->used] = 0;
    client_advance(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct sink *sink = listener->data;
    struct client *c = status == 0 ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return;
    c->sink = sink;
    c->tcp.data = c->timer.data = c;
    c->open_handles = 2;
    uv_tcp_init(&sink->loop, &c->tcp);
    uv_timer_init(&sink->loop, &c->timer);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
        client_close(c);
}

/* ---- Life ---- */

static void close_one(uv_handle_t *handle, void *sink)
{
    struct sink *s = sink;
    if (uv_is_closing(handle))
        return;
    if (handle == (uv_handle_t *)&s->listener || handle->type == UV_SIGNAL)
        uv_close(handle, NULL);
    else
        client_close(handle->data);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct sink *sink = signal->data;
    (void)number;
    uv_walk(&sink->loop, close_one, sink);
}

static int read_ip(const char *text, int port, struct sockaddr_storage *address)
{
    return strchr(text, ':') ? uv_ip6_addr(text, port, (struct sockaddr_in6 *)address)
                             : uv_ip4_addr(text, port, (struct sockaddr_in *)address);
}

/* --address */
static const char *read_address(void *context, const char *value)
{
    struct sink *sink = context;
    struct sockaddr_storage address;
    sink->address = value;
    return read_ip(value, 0, &address) == 0 ? NULL : "an IP address";
}

static int listen_at(struct sink *sink, struct error *err)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    int code = read_ip(sink->address, sink->port, &address);
    if (code == 0)
        code = uv_tcp_bind(&sink->listener, (struct sockaddr *)&address, 0);
    if (code == 0)
        code = uv_listen((uv_stream_t *)&sink->listener, 256, on_connection);
    if (code == 0)
        code = uv_tcp_getsockname(&sink->listener, (struct sockaddr *)&address, &size);
    if (code != 0)
        return error_set(err, code, "%s port %d: %s", sink->address, sink->port, uv_strerror(code));
    const struct sockaddr_in *in = (struct sockaddr_in *)&address; /* the port stands as in IPv6 */
    printf("listening on %s port %d\n", sink->address, ntohs(in->sin_port));
    fflush(stdout);
    return 0;
}

static int run(struct sink *sink)
{
    struct error err = {""};
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&sink->loop);
    uv_tcp_init(&sink->loop, &sink->listener);
    uv_signal_init(&sink->loop, &sink->interrupt);
    uv_signal_init(&sink->loop, &sink->terminate);
    sink->listener.data = sink->interrupt.data = sink->terminate.data = sink;
    int code = listen_at(sink, &err);
    if (code == 0) {
        uv_signal_start(&sink->interrupt, on_signal, SIGINT);
        uv_signal_start(&sink->terminate, on_signal, SIGTERM);
    } else {
        uv_walk(&sink->loop, close_one, sink);
    }
    uv_run(&sink->loop, UV_RUN_DEFAULT);
    uv_loop_close(&sink->loop);
    return code == 0 ? CLI_OK : cli_fail("sink", &err);
}

static int parse_arguments(int argc, char **argv, struct sink *sink)
{
    const struct cli_option options[] = {
        {.name = "port", .number = &sink->port, .max = 65535},
        {.name = "address", .read = read_address},
        {.name = "status", .number = &sink->status, .min = 200, .max = 599},
        {.name = "delay", .number = &sink->delay_ms, .max = 3600000},
        {.name = "verify", .text = &sink->verify},
        {.name = "quiet", .flag = &sink->quiet},
        {0}};
    int code = cli_options(argc, argv, help, options, sink);
    return code < 0 ? cli_operand(argc, argv, NULL, NULL) : code;
}

int cli_sink(int argc, char **argv)
{
    static struct sink sink = {.address = "127.0.0.1", .port = 8080, .status = 200};
    int code = parse_arguments(argc, argv, &sink);
    return code >= 0 ? code : run(&sink);
}
