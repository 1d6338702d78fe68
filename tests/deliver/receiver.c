#include "receiver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define CONNECTIONS_MAX 1024
#define HEAD_MAX        65536

struct receiver {
    int listener, port;
    const struct answer *answers;
    size_t answer_count;
    pthread_t accepter, threads[CONNECTIONS_MAX];
    pthread_mutex_t mutex;        /* guards what follows */
    int sockets[CONNECTIONS_MAX]; /* -1: closed */
    struct received requests[RECEIVER_MAX];
    size_t count;
    int connections, at_once, most_at_once;
    bool stopping;
};

struct connection {
    struct receiver *receiver;
    int socket, number;
    bool answered;
    char buffer[HEAD_MAX];
    size_t used;
};

/* ---- One connection ---- */

static bool fill(struct connection *c)
{
    ssize_t n = recv(c->socket, c->buffer + c->used, sizeof c->buffer - 1 - c->used, 0);
    if (n <= 0)
        return false;
    c->used += (size_t)n;
    c->buffer[c->used] = 0;
    return true;
}

static void consume(struct connection *c, size_t size)
{
    c->used -= size;
    memmove(c->buffer, c->buffer + size, c->used + 1);
}

static bool read_head(struct connection *c, struct received *r)
{
    char *end;
    c->buffer[c->used] = 0;
    while (!(end = strstr(c->buffer, "\r\n\r\n")))
        if (!fill(c))
            return false;
    r->head = strndup(c->buffer, (size_t)(end - c->buffer));
    r->connection = c->number;
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof peer;
    if (getpeername(c->socket, (struct sockaddr *)&peer, &peer_size) == 0)
        getnameinfo((struct sockaddr *)&peer, peer_size, r->from, sizeof r->from, NULL, 0,
                    NI_NUMERICHOST);
    r->at_ms = clock_unix_ms();
    consume(c, (size_t)(end + 4 - c->buffer));
    return true;
}

static bool read_body(struct connection *c, struct received *r, size_t wanted)
{
    r->body = malloc(wanted + 1);
    while (r->size < wanted) {
        if (c->used == 0 && !fill(c))
            return false;
        size_t n = c->used < wanted - r->size ? c->used : wanted - r->size;
        memcpy(r->body + r->size, c->buffer, n);
        r->size += n;
        consume(c, n);
    }
    r->body[r->size] = 0;
    return true;
}

static const struct answer *note(struct receiver *receiver, const struct received *r)
{
    pthread_mutex_lock(&receiver->mutex);
    size_t n = receiver->count;
    if (n < RECEIVER_MAX)
        receiver->requests[n] = *r;
    receiver->count++;
    if (++receiver->at_once > receiver->most_at_once)
        receiver->most_at_once = receiver->at_once;
    pthread_mutex_unlock(&receiver->mutex);
    return &receiver->answers[n < receiver->answer_count ? n : receiver->answer_count - 1];
}

/* Waits, unless the receiver is stopped: its sockets are shut down then. */
static void wait_ms(int socket, int ms)
{
    struct pollfd poll_fd = {.fd = socket, .events = 0};
    poll(&poll_fd, 1, ms);
}

static bool send_all(int socket, const char *bytes)
{
    size_t size = strlen(bytes);
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(socket, bytes + sent, size - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    return true;
}

static const struct answer *next_answer(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->mutex);
    size_t n = receiver->count;
    pthread_mutex_unlock(&receiver->mutex);
    return &receiver->answers[n < receiver->answer_count ? n : receiver->answer_count - 1];
}

/* close() sends a reset; in a moment, when the client has read the answer. */
static void prepare_reset(struct connection *c)
{
    static const struct linger none = {.l_onoff = 1, .l_linger = 0};
    wait_ms(c->socket, 100);
    setsockopt(c->socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    c->answered = false;
}

static bool serve_one(struct connection *c)
{
    struct received r = {0};
    char length[512];
    if (!read_head(c, &r))
        return false;
    const char *text = received_header(&r, "content-length", length);
    size_t size = text ? strtoul(text, NULL, 10) : 0;
    const struct answer *answer = next_answer(c->receiver);
    if (answer->read_only > 0 && answer->read_only < size)
        size = answer->read_only;
    bool whole = read_body(c, &r, size);
    answer = note(c->receiver, &r);
    if (answer->delay_ms)
        wait_ms(c->socket, answer->delay_ms);
    c->answered = *answer->bytes;
    bool open = whole && send_all(c->socket, answer->bytes);
    while (open && answer->repeat && (open = send_all(c->socket, answer->repeat)))
        if (answer->pause_ms)
            wait_ms(c->socket, answer->pause_ms);
    pthread_mutex_lock(&c->receiver->mutex);
    c->receiver->at_once--;
    pthread_mutex_unlock(&c->receiver->mutex);
    if (answer->reset)
        prepare_reset(c);
    return open && !answer->close && !answer->reset;
}

/* Without an answer it is closed: a peer that still sends learns of it by a reset, as from any server. Behind an answer it is
 * shut down only, and closed when all are: a reset could overtake the answer. */
static void end_connection(struct connection *c)
{
    pthread_mutex_lock(&c->receiver->mutex);
    if (c->answered) {
        shutdown(c->socket, SHUT_RDWR);
    } else {
        c->receiver->sockets[c->number - 1] = -1;
        close(c->socket);
    }
    pthread_mutex_unlock(&c->receiver->mutex);
}

static void *serve(void *argument)
{
    struct connection *c = argument;
    while (serve_one(c))
        ;
    end_connection(c);
    free(c);
    return NULL;
}

/* ---- The receiver ---- */

static void *accept_all(void *argument)
{
    struct receiver *receiver = argument;
    int socket;
    while ((socket = accept(receiver->listener, NULL, NULL)) >= 0) {
        pthread_mutex_lock(&receiver->mutex);
        int n = receiver->connections;
        bool refused = receiver->stopping || n == CONNECTIONS_MAX;
        if (!refused) {
            struct connection *c = calloc(1, sizeof *c);
            c->receiver = receiver;
            c->socket = receiver->sockets[n] = socket;
            c->number = ++receiver->connections;
            pthread_create(&receiver->threads[n], NULL, serve, c);
        }
        pthread_mutex_unlock(&receiver->mutex);
        if (refused)
            close(socket);
    }
    return NULL;
}

int receiver_bind(int family, int *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)*port)};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in6.sin6_addr = in6addr_loopback;
    struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
    socklen_t size = family == AF_INET ? sizeof in : sizeof in6;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, address, size) != 0 || getsockname(fd, address, &size) != 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(family == AF_INET ? in.sin_port : in6.sin6_port);
    return fd;
}

static struct receiver *start_on(int family, const struct answer *answers, size_t count)
{
    struct receiver *receiver = calloc(1, sizeof *receiver);
    receiver->listener = receiver_bind(family, &receiver->port);
    if (receiver->listener < 0 || listen(receiver->listener, 512) != 0) {
        free(receiver);
        return NULL;
    }
    receiver->answers = answers;
    receiver->answer_count = count;
    pthread_mutex_init(&receiver->mutex, NULL);
    pthread_create(&receiver->accepter, NULL, accept_all, receiver);
    return receiver;
}

struct receiver *receiver_start(const struct answer *answers, size_t count)
{
    struct receiver *receiver = start_on(AF_INET, answers, count);
    if (!receiver)
        abort();
    return receiver;
}

struct receiver *receiver_start6(const struct answer *answers, size_t count)
{
    return start_on(AF_INET6, answers, count);
}

void receiver_stop(struct receiver *receiver)
{
    if (!receiver)
        return;
    pthread_mutex_lock(&receiver->mutex);
    receiver->stopping = true;
    int count = receiver->connections;
    pthread_mutex_unlock(&receiver->mutex);
    shutdown(receiver->listener, SHUT_RDWR);
    pthread_join(receiver->accepter, NULL);
    pthread_mutex_lock(&receiver->mutex);
    for (int i = 0; i < count; i++)
        if (receiver->sockets[i] >= 0)
            shutdown(receiver->sockets[i], SHUT_RDWR);
    pthread_mutex_unlock(&receiver->mutex);
    for (int i = 0; i < count; i++) {
        pthread_join(receiver->threads[i], NULL);
        if (receiver->sockets[i] >= 0)
            close(receiver->sockets[i]);
    }
    close(receiver->listener);
    for (size_t i = 0; i < receiver->count && i < RECEIVER_MAX; i++) {
        free(receiver->requests[i].head);
        free(receiver->requests[i].body);
    }
    pthread_mutex_destroy(&receiver->mutex);
    free(receiver);
}

int receiver_port(const struct receiver *receiver)
{
    return receiver->port;
}

size_t receiver_count(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->mutex);
    size_t count = receiver->count;
    pthread_mutex_unlock(&receiver->mutex);
    return count;
}

int receiver_connections(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->mutex);
    int count = receiver->connections;
    pthread_mutex_unlock(&receiver->mutex);
    return count;
}

int receiver_most_at_once(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->mutex);
    int count = receiver->most_at_once;
    pthread_mutex_unlock(&receiver->mutex);
    return count;
}

const struct received *receiver_request(struct receiver *receiver, size_t index)
{
    return &receiver->requests[index];
}

const char *received_header(const struct received *received, const char *name, char value[512])
{
    size_t size = strlen(name);
    for (const char *line = received->head; (line = strstr(line, "\r\n"));) {
        line += 2;
        if (strncasecmp(line, name, size) == 0 && line[size] == ':') {
            const char *text = line + size + 1;
            text += strspn(text, " ");
            snprintf(value, 512, "%.*s", (int)strcspn(text, "\r\n"), text);
            return value;
        }
    }
    return NULL;
}
