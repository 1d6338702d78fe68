/*
 * The receiving web server of scripts/bench: answers 200 to each POST as fast as one thread can, and counts which of
 * the load generator's messages arrived, by the BENCH-RUN-NUMBER of their Message-ID (load.h).
 *
 *   receiver [--port PORT] [--status CODE] [--scanner FILE]
 *                                            prints the port (default: one that is free) when it listens
 *   POST /checkv2                            is answered with that file, as a scanner would, and not counted
 *   GET /reset?run=HEX                       begins to count anew, for this run
 *   GET /stats                               what was counted, as JSON; last: CLOCK_MONOTONIC of the last POST
 *   GET /ids                                 the numbers that arrived, a line each
 */
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

#define HEAD_MAX   32768
#define NUMBER_MAX 4000000
#define ID_PREFIX  "BENCH-"
#define ID_SIZE    (sizeof ID_PREFIX - 1 + 8 + 1 + 8)

/* Which part of a request comes next. */
enum part { HEAD, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER };

struct client {
    uv_tcp_t tcp;
    enum part part;
    char head[HEAD_MAX + 1];
    size_t head_size;
    char line[64]; /* of a chunk's size, or of the trailer */
    size_t line_size;
    unsigned long long left; /* of the body or the chunk */
    bool is_post, close;
    char window[2 * ID_SIZE]; /* the end of what has been searched */
    size_t window_size;
    bool found;
    unsigned run;
    unsigned long number;
};

static struct {
    unsigned run;
    unsigned long posts, unique, repeated, foreign;
    unsigned long long bytes;
    double last;
    unsigned char seen[NUMBER_MAX];
} counts;

static int status = 200;
static char scan_answer[16384];
static size_t scan_answer_size;
static char input[256 * 1024]; /* all clients' in turn: what is read is used at once */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void hang_up(struct client *client)
{
    if (!uv_is_closing((uv_handle_t *)&client->tcp))
        uv_close((uv_handle_t *)&client->tcp, on_closed);
}

static void on_written(uv_write_t *write, int result)
{
    struct client *client = write->handle->data;
    if (result < 0 || client->close)
        hang_up(client);
    free(write);
}

/* Takes `text` over. */
static void send_text(struct client *client, char *text, size_t size)
{
    uv_buf_t buffer = uv_buf_init(text, (unsigned)size);
    int sent = uv_try_write((uv_stream_t *)&client->tcp, &buffer, 1);
    if (sent == (int)size) {
        if (client->close)
            hang_up(client);
        free(text);
        return;
    }
    uv_write_t *write = malloc(sizeof *write + size);
    if (!write || (sent < 0 && sent != UV_EAGAIN)) {
        free(write);
        free(text);
        hang_up(client);
        return;
    }
    size_t rest = sent > 0 ? size - (size_t)sent : size;
    buffer = uv_buf_init(memcpy(write + 1, text + size - rest, rest), (unsigned)rest);
    free(text);
    if (uv_write(write, (uv_stream_t *)&client->tcp, &buffer, 1, on_written) < 0)
        free(write);
}

static void answer(struct client *client, int code, const char *body, size_t size)
{
    char head[200];
    int head_size = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n%s\r\n",
                             code, code == 200 ? "OK" : "As told", size,
                             client->close ? "Connection: close\r\n" : "");
    char *text = malloc((size_t)head_size + size);
    if (!text) {
        hang_up(client);
        return;
    }
    memcpy(text, head, (size_t)head_size);
    memcpy(text + head_size, body, size);
    send_text(client, text, (size_t)head_size + size);
}

static void count_post(struct client *client)
{
    counts.posts++;
    if (status != 200)
        return;
    if (!client->found || client->run != counts.run || client->number >= NUMBER_MAX)
        counts.foreign++;
    else if (counts.seen[client->number]++)
        counts.repeated++;
    else
        counts.unique++;
    counts.last = (double)uv_hrtime() / 1e9;
}

static void answer_stats(struct client *client)
{
    char text[256];
    int size = snprintf(text, sizeof text,
                        "{\"posts\":%lu,\"unique\":%lu,\"repeated\":%lu,\"foreign\":%lu,"
                        "\"bytes\":%llu,\"last\":%.6f}\n",
                        counts.posts, counts.unique, counts.repeated, counts.foreign, counts.bytes,
                        counts.last);
    answer(client, 200, text, (size_t)size);
}

static void answer_ids(struct client *client)
{
    char *text = malloc((counts.unique + 1) * 12);
    size_t size = 0;
    for (unsigned long number = 0; text && number < NUMBER_MAX; number++)
        if (counts.seen[number])
            size += (size_t)sprintf(text + size, "%lu\n", number);
    answer(client, text ? 200 : 500, text, size);
    free(text);
}

static void end_request(struct client *client)
{
    const char *path = strchr(client->head, ' ');
    const char *run = strstr(client->head, "run=");
    client->part = HEAD;
    client->head_size = 0;
    if (client->is_post && path && !strncmp(path, " /checkv2 ", 10)) {
        answer(client, 200, scan_answer, scan_answer_size);
    } else if (client->is_post) {
        count_post(client);
        answer(client, status, "{}", 2);
    } else if (path && !strncmp(path, " /stats", 7)) {
        answer_stats(client);
    } else if (path && !strncmp(path, " /ids", 5)) {
        answer_ids(client);
    } else if (path && !strncmp(path, " /reset", 7)) {
        memset(&counts, 0, sizeof counts);
        counts.run = run ? (unsigned)strtoul(run + 4, NULL, 16) : 0;
        answer(client, 200, "", 0);
    } else {
        answer(client, 404, "", 0);
    }
}

static bool find_id(struct client *client, const char *text, size_t size)
{
    const char *id = memmem(text, size, ID_PREFIX, sizeof ID_PREFIX - 1);
    if (!id || (size_t)(text + size - id) < ID_SIZE)
        return false;
    char copy[ID_SIZE + 1] = {0};
    memcpy(copy, id, ID_SIZE);
    client->found = sscanf(copy, ID_PREFIX "%8x-%8lu", &client->run, &client->number) == 2;
    return true;
}

/* Looks for the id in a body that comes in pieces, also across them. */
static void search(struct client *client, const char *text, size_t size)
{
    counts.bytes += size;
    if (client->found || find_id(client, text, size))
        return;
    size_t take = size < ID_SIZE ? size : ID_SIZE;
    memcpy(client->window + client->window_size, text, take);
    if (find_id(client, client->window, client->window_size + take))
        return;
    if (size >= ID_SIZE) {
        client->window_size = ID_SIZE - 1;
        memcpy(client->window, text + size - client->window_size, client->window_size);
        return;
    }
    size_t all = client->window_size + take, keep = all < ID_SIZE - 1 ? all : ID_SIZE - 1;
    memmove(client->window, client->window + all - keep, keep);
    client->window_size = keep;
}

static void end_head(struct client *client)
{
    bool chunked = false, expects = false;
    char *text = client->head, *line = strstr(text, "\r\n");
    client->is_post = !strncmp(text, "POST ", 5);
    client->close = line && line - text > 8 && !strncmp(line - 8, "HTTP/1.0", 8);
    client->left = 0;
    client->window_size = 0;
    client->found = false;
    for (; line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        const char *field = line + 2;
        if (!strncasecmp(field, "content-length:", 15))
            client->left = strtoull(field + 15, NULL, 10);
        else if (!strncasecmp(field, "transfer-encoding:", 18))
            chunked = true;
        else if (!strncasecmp(field, "connection: close", 17))
            client->close = true;
        else if (!strncasecmp(field, "expect:", 7))
            expects = true;
    }
    client->line_size = 0;
    client->part = chunked ? CHUNK_SIZE : BODY;
    if (expects)
        send_text(client, strdup("HTTP/1.1 100 Continue\r\n\r\n"), 25);
    if (!chunked && client->left == 0)
        end_request(client);
}

/* Each of these takes what is theirs of the input, and says how much. */
static size_t take_head(struct client *client, const char *text, size_t size)
{
    size_t room = HEAD_MAX - client->head_size, take = size < room ? size : room;
    size_t from = client->head_size < 3 ? 0 : client->head_size - 3;
    memcpy(client->head + client->head_size, text, take);
    size_t all = client->head_size + take;
    char *end = memmem(client->head + from, all - from, "\r\n\r\n", 4);
    if (!end) {
        client->head_size = all;
        if (all == HEAD_MAX)
            hang_up(client);
        return take;
    }
    take = (size_t)(end + 4 - client->head) - client->head_size;
    end[4] = 0;
    end_head(client);
    return take;
}

static size_t take_body(struct client *client, const char *text, size_t size)
{
    size_t take = size < client->left ? size : (size_t)client->left;
    search(client, text, take);
    client->left -= take;
    if (client->left == 0 && client->part == CHUNK)
        client->part = CHUNK_END;
    else if (client->left == 0)
        end_request(client);
    return take;
}

static size_t take_line(struct client *client, char byte)
{
    if (byte != '\n') {
        if (client->line_size < sizeof client->line - 1 && byte != '\r')
            client->line[client->line_size++] = byte;
        return 1;
    }
    client->line[client->line_size] = 0;
    bool empty = client->line_size == 0;
    client->line_size = 0;
    if (client->part == CHUNK_END) {
        client->part = CHUNK_SIZE;
    } else if (client->part == CHUNK_SIZE) {
        client->left = strtoull(client->line, NULL, 16);
        client->part = client->left > 0 ? CHUNK : TRAILER;
    } else if (empty) {
        end_request(client);
    }
    return 1;
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct client *client = stream->data;
    if (size < 0)
        hang_up(client);
    for (size_t at = 0; size > 0 && at < (size_t)size && !uv_is_closing((uv_handle_t *)stream);) {
        const char *text = buffer->base + at;
        size_t left = (size_t)size - at;
        if (client->part == HEAD)
            at += take_head(client, text, left);
        else if (client->part == BODY || client->part == CHUNK)
            at += take_body(client, text, left);
        else
            at += take_line(client, *text);
    }
}

static void give_input(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    (void)handle, (void)size;
    *buffer = uv_buf_init(input, sizeof input);
}

static void on_connection(uv_stream_t *listener, int result)
{
    struct client *client = result == 0 ? calloc(1, sizeof *client) : NULL;
    if (!client)
        return;
    client->tcp.data = client;
    uv_tcp_init(listener->loop, &client->tcp);
    if (uv_accept(listener, (uv_stream_t *)&client->tcp) == 0 &&
        uv_tcp_nodelay(&client->tcp, 1) == 0)
        uv_read_start((uv_stream_t *)&client->tcp, give_input, on_read);
    else
        hang_up(client);
}

static bool read_scan_answer(const char *path)
{
    FILE *file = fopen(path, "r");
    scan_answer_size = file ? fread(scan_answer, 1, sizeof scan_answer, file) : 0;
    if (file)
        fclose(file);
    return scan_answer_size > 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", 1, NULL, 'p'}, {"status", 1, NULL, 's'}, {"scanner", 1, NULL, 'a'}, {0}};
    int option, port = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p')
            port = atoi(optarg);
        else if (option == 's')
            status = atoi(optarg);
        else if (option != 'a' || !read_scan_answer(optarg))
            return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    struct sockaddr_in address;
    int size = sizeof address;
    uv_tcp_init(loop, &listener);
    uv_ip4_addr("127.0.0.1", port, &address);
    if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) < 0 ||
        uv_listen((uv_stream_t *)&listener, 4096, on_connection) < 0 ||
        uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size) < 0) {
        fprintf(stderr, "receiver: cannot listen on port %d\n", port);
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
