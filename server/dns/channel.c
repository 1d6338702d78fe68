#include "channel.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUERY_TRIES 2
#define EDNS_SIZE   1232 /* bytes of a UDP answer, which pass everywhere unfragmented */

struct socket_watch {
    uv_poll_t poll;
    struct socket_watch *next;
    struct channel *channel;
    ares_socket_t socket;
};

struct channel {
    uv_loop_t *loop;
    ares_channel ares;
    bool has_ares, closing;
    uv_timer_t timer;
    int open_handles;
    struct socket_watch *sockets;
};

static void schedule(struct channel *channel);

static void free_when_closed(struct channel *channel)
{
    if (--channel->open_handles == 0)
        free(channel);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free_when_closed(handle->data);
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct socket_watch *watch = handle->data;
    struct channel *channel = watch->channel;
    free(watch);
    free_when_closed(channel);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct socket_watch *watch = poll->data;
    struct channel *channel = watch->channel;
    ares_socket_t read = ARES_SOCKET_BAD, write = ARES_SOCKET_BAD;
    if (status < 0 || (events & UV_READABLE))
        read = watch->socket;
    if (status < 0 || (events & UV_WRITABLE))
        write = watch->socket;
    ares_process_fd(channel->ares, read, write);
    schedule(channel);
}

static struct socket_watch *watch_new(struct channel *channel, ares_socket_t socket)
{
    struct socket_watch *watch = calloc(1, sizeof *watch);
    if (!watch || uv_poll_init_socket(channel->loop, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    watch->channel = channel;
    watch->socket = socket;
    watch->poll.data = watch;
    watch->next = channel->sockets;
    channel->sockets = watch;
    channel->open_handles++;
    return watch;
}

/* c-ares says what it waits for at a socket; nothing: it closes it. Without memory nobody watches
 * the socket, and its questions time out. */
static void on_socket_state(void *data, ares_socket_t socket, int readable, int writable)
{
    struct channel *channel = data;
    struct socket_watch **link = &channel->sockets;
    while (*link && (*link)->socket != socket)
        link = &(*link)->next;
    struct socket_watch *watch = *link;
    if (!readable && !writable) {
        if (!watch)
            return;
        *link = watch->next;
        uv_poll_stop(&watch->poll);
        uv_close((uv_handle_t *)&watch->poll, on_socket_closed);
        return;
    }
    if (!watch)
        watch = watch_new(channel, socket);
    if (watch)
        uv_poll_start(&watch->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                      on_socket);
}

static void on_timer(uv_timer_t *timer)
{
    struct channel *channel = timer->data;
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    schedule(channel);
}

/* When c-ares next wants to look for what timed out. */
static void schedule(struct channel *channel)
{
    struct timeval wait;
    if (channel->closing || !ares_timeout(channel->ares, NULL, &wait))
        return;
    uv_timer_start(&channel->timer, on_timer,
                   (uint64_t)wait.tv_sec * 1000 + (uint64_t)wait.tv_usec / 1000 + 1, 0);
}

void channel_ask(struct channel *channel, const char *name, int type, ares_callback done,
                 void *context)
{
    /* ares_query_dnsrec(), which newer versions would rather have, hands over what it has parsed. The bytes are what
     * dns_answer.c reads, strictly, and Debian 12 has nothing else. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    ares_query(channel->ares, name, ns_c_in, type, done, context);
#pragma GCC diagnostic pop
    schedule(channel);
}

/* --- Life --- */

static char *resolver_list(const struct dns_config *config)
{
    size_t size = config->resolver_count * 80 + 1, used = 0;
    char *list = malloc(size);
    for (size_t i = 0; list && i < config->resolver_count; i++) {
        const struct listen_address *a = &config->resolvers[i];
        bool six = strchr(a->host, ':') != NULL;
        used += (size_t)snprintf(list + used, size - used, "%s%s%s%s:%d", i ? "," : "",
                                 six ? "[" : "", a->host, six ? "]" : "", a->port);
    }
    return list;
}

static int open_ares(struct channel *channel, const struct dns_config *config, struct error *err)
{
    struct ares_options options = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
        .timeout = (int)config->query_timeout_ms,
        .tries = QUERY_TRIES,
        .ednspsz = EDNS_SIZE,
        .lookups = "b",
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = channel,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
               ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
#if ARES_VERSION >= 0x011f00 /* 1.31: it would cache answers by itself; cache.c does */
    options.qcache_max_ttl = 0;
    mask |= ARES_OPT_QUERY_CACHE;
#endif
    int status = ares_init_options(&channel->ares, &options, mask);
    if (status != ARES_SUCCESS)
        return error_set(err, status == ARES_ENOMEM ? -ENOMEM : -EINVAL, "DNS: %s",
                         ares_strerror(status));
    channel->has_ares = true;
    if (config->resolver_count == 0)
        return 0;
    char *list = resolver_list(config);
    status = list ? ares_set_servers_ports_csv(channel->ares, list) : ARES_ENOMEM;
    free(list);
    return status == ARES_SUCCESS
               ? 0
               : error_set(err, -EINVAL, "dns.resolvers: %s", ares_strerror(status));
}

static int library_status;

/* Once for the process, and never undone: c-ares counts its users without a lock. */
static void init_library(void)
{
    library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

int channel_open(uv_loop_t *loop, const struct dns_config *config, struct channel **out,
                 struct error *err)
{
    static uv_once_t once = UV_ONCE_INIT;
    uv_once(&once, init_library);
    struct channel *channel = library_status == ARES_SUCCESS ? calloc(1, sizeof *channel) : NULL;
    if (!channel)
        return error_set(err, -ENOMEM, "DNS: %s", ares_strerror(ARES_ENOMEM));
    channel->loop = loop;
    uv_timer_init(loop, &channel->timer);
    channel->timer.data = channel;
    channel->open_handles = 1;
    int code = open_ares(channel, config, err);
    if (code < 0)
        channel_close(channel);
    else
        *out = channel;
    return code;
}

void channel_close(struct channel *channel)
{
    if (!channel)
        return;
    channel->closing = true;
    if (channel->has_ares)
        ares_destroy(channel->ares);
    uv_close((uv_handle_t *)&channel->timer, on_timer_closed);
}
