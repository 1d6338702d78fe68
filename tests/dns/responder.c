#include "responder.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_SIZE 12

static void allocate(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    static char memory[4096];
    (void)handle;
    (void)size;
    *buffer = uv_buf_init(memory, sizeof memory);
}

/* The question's size: a name, type and class. */
static size_t question_size(const unsigned char *message)
{
    size_t at = HEADER_SIZE;
    while (message[at])
        at += 1 + message[at];
    return at + 5 - HEADER_SIZE;
}

static void on_question(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                        const struct sockaddr *from, unsigned flags)
{
    struct responder *r = socket->data;
    unsigned char answer[2048];
    (void)flags;
    if (size < HEADER_SIZE || !from)
        return;
    const unsigned char *message = (const unsigned char *)buffer->base;
    bool root = message[HEADER_SIZE] == 0;
    const unsigned char *edns = message + HEADER_SIZE + question_size(message); /* the root, OPT */
    r->room = message[11] == 1 ? edns[3] * 256u + edns[4] : 0;
    r->asked += !root;
    r->probes += root;
    if (r->dead || (r->silent && !root))
        return;
    size_t used = HEADER_SIZE + question_size(message);
    memcpy(answer, message, used);
    answer[2] = 0x81;
    answer[3] = (unsigned char)(0x80 | (root ? 0 : r->code));
    memset(answer + 6, 0, 6);
    if (!root && r->count > 0) {
        answer[7] = (unsigned char)r->count;
        memcpy(answer + used, r->records, r->size);
        used += r->size;
    }
    uv_buf_t out = uv_buf_init((char *)answer, (unsigned)used);
    uv_udp_try_send(socket, &out, 1, from);
}

void responder_open_at(struct responder *responder, uv_loop_t *loop, const char *host)
{
    struct sockaddr_in6 address; /* of either family: their ports stand at the same place */
    int size = sizeof address;
    memset(responder, 0, sizeof *responder);
    uv_udp_init(loop, &responder->socket);
    responder->socket.data = responder;
    if ((uv_ip6_addr(host, 0, &address) != 0 &&
         uv_ip4_addr(host, 0, (struct sockaddr_in *)&address) != 0) ||
        uv_udp_bind(&responder->socket, (struct sockaddr *)&address, 0) != 0 ||
        uv_udp_getsockname(&responder->socket, (struct sockaddr *)&address, &size) != 0 ||
        uv_udp_recv_start(&responder->socket, allocate, on_question) != 0)
        abort();
    strcpy(responder->address.host, host);
    responder->address.port = ntohs(address.sin6_port);
    responder->config = (struct dns_config){.resolvers = &responder->address,
                                            .resolver_count = 1,
                                            .query_timeout_ms = 5000,
                                            .cache_size = 1 << 20};
}

void responder_open(struct responder *responder, uv_loop_t *loop)
{
    responder_open_at(responder, loop, "127.0.0.1");
}

void responder_close(struct responder *responder)
{
    uv_close((uv_handle_t *)&responder->socket, NULL);
}
