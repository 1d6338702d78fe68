#include "dns.h"

#include <arpa/nameser.h>
#include <ares.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../clock.h"
#include "../log.h"

#define BUCKETS       4096
#define TTL_MAX       86400u /* seconds that anything is kept */
#define TTL_NONE_MAX  3600u  /* that "there is none" is kept */
#define QUESTIONS_MAX 10000u /* under way at once; more fail */
#define QUERY_TRIES   2
#define EDNS_SIZE     1232 /* bytes of a UDP answer, which pass everywhere unfragmented */

#define BREAKER_TIMEOUTS 5    /* in a row make it probe */
#define PROBE_PAUSE      1000 /* ms between probes while it is open */

/* One name and type: asked and under way (no answer), or in the cache. */
struct question {
    struct question *next; /* in its bucket */
    struct dns *dns;
    char name[DNS_NAME_MAX + 1];
    enum record_type type;
    bool starting; /* inside dns_ask(): nobody waits yet */
    struct answer *answer;
    int64_t expires_ms; /* monotonic */
    struct dns_waiter *waiters;
    struct question *newer, *older; /* in the cache, by use */
};

struct socket_watch {
    uv_poll_t poll;
    struct socket_watch *next;
    struct dns *dns;
    ares_socket_t socket;
};

enum breaker { BREAKER_CLOSED, BREAKER_PROBING, BREAKER_OPEN };

struct dns {
    uv_loop_t *loop;
    ares_channel channel;
    bool has_channel, closing;
    uv_timer_t timer, probe_timer;
    int open_handles;
    struct socket_watch *sockets;
    struct question *buckets[BUCKETS];
    struct question *newest, *oldest;
    size_t cache_bytes, cache_limit, under_way;
    enum breaker breaker;
    unsigned timeouts; /* in a row */
};

static void schedule(struct dns *dns);
static void probe(struct dns *dns);

/* --- Handles --- */

static void free_when_closed(struct dns *dns)
{
    if (--dns->open_handles == 0)
        free(dns);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free_when_closed(handle->data);
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct socket_watch *watch = handle->data;
    struct dns *dns = watch->dns;
    free(watch);
    free_when_closed(dns);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct socket_watch *watch = poll->data;
    struct dns *dns = watch->dns;
    ares_socket_t read = ARES_SOCKET_BAD, write = ARES_SOCKET_BAD;
    if (status < 0 || (events & UV_READABLE))
        read = watch->socket;
    if (status < 0 || (events & UV_WRITABLE))
        write = watch->socket;
    ares_process_fd(dns->channel, read, write);
    schedule(dns);
}

static struct socket_watch *watch_new(struct dns *dns, ares_socket_t socket)
{
    struct socket_watch *watch = calloc(1, sizeof *watch);
    if (!watch || uv_poll_init_socket(dns->loop, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    watch->dns = dns;
    watch->socket = socket;
    watch->poll.data = watch;
    watch->next = dns->sockets;
    dns->sockets = watch;
    dns->open_handles++;
    return watch;
}

/* c-ares says what it waits for at a socket; nothing: it closes it. Without memory nobody watches
 * the socket, and its questions time out. */
static void on_socket_state(void *data, ares_socket_t socket, int readable, int writable)
{
    struct dns *dns = data;
    struct socket_watch **link = &dns->sockets;
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
        watch = watch_new(dns, socket);
    if (watch)
        uv_poll_start(&watch->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                      on_socket);
}

static void on_timer(uv_timer_t *timer)
{
    struct dns *dns = timer->data;
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    schedule(dns);
}

/* When c-ares next wants to look for what timed out. */
static void schedule(struct dns *dns)
{
    struct timeval wait;
    if (dns->closing || !ares_timeout(dns->channel, NULL, &wait))
        return;
    uv_timer_start(&dns->timer, on_timer,
                   (uint64_t)wait.tv_sec * 1000 + (uint64_t)wait.tv_usec / 1000 + 1, 0);
}

/* --- Breaker --- */

static bool is_silence(int status)
{
    return status == ARES_ETIMEOUT || status == ARES_ECONNREFUSED;
}

static void note_silence(struct dns *dns, bool silent)
{
    if (!silent) {
        dns->timeouts = 0;
        return;
    }
    if (++dns->timeouts >= BREAKER_TIMEOUTS && dns->breaker == BREAKER_CLOSED) {
        dns->breaker = BREAKER_PROBING;
        probe(dns);
    }
}

static void on_probe_timer(uv_timer_t *timer)
{
    probe(timer->data);
}

static void on_probed(void *argument, int status, int timeouts, unsigned char *message, int size)
{
    struct dns *dns = argument;
    (void)timeouts;
    (void)message;
    (void)size;
    if (dns->closing || status == ARES_EDESTRUCTION)
        return;
    bool silent = is_silence(status);
    if (silent && dns->breaker == BREAKER_PROBING)
        log_warn("dns", NULL,
                 LOG_TEXT("resolvers", "no answer: every look-up fails until one comes"));
    if (!silent && dns->breaker == BREAKER_OPEN)
        log_info("dns", NULL, LOG_TEXT("resolvers", "answer again"));
    dns->breaker = silent ? BREAKER_OPEN : BREAKER_CLOSED;
    dns->timeouts = 0;
    if (silent)
        uv_timer_start(&dns->probe_timer, on_probe_timer, PROBE_PAUSE, 0);
}

static void probe(struct dns *dns)
{
    ares_query(dns->channel, ".", ns_c_in, ns_t_ns, on_probed, dns);
    schedule(dns);
}

/* --- Cache --- */

static struct question **bucket_of(struct dns *dns, const char *name, enum record_type type)
{
    uint32_t hash = 2166136261u ^ (uint32_t)type; /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return &dns->buckets[hash % BUCKETS];
}

static struct question *find(struct dns *dns, const char *name, enum record_type type)
{
    struct question *q = *bucket_of(dns, name, type);
    while (q && (q->type != type || strcmp(q->name, name) != 0))
        q = q->next;
    return q;
}

static size_t memory_of(const struct question *q)
{
    return sizeof *q + q->answer->memory;
}

static void take_out(struct dns *dns, struct question *q)
{
    *(q->newer ? &q->newer->older : &dns->newest) = q->older;
    *(q->older ? &q->older->newer : &dns->oldest) = q->newer;
    q->newer = q->older = NULL;
}

static void put_first(struct dns *dns, struct question *q)
{
    q->older = dns->newest;
    *(dns->newest ? &dns->newest->newer : &dns->oldest) = q;
    dns->newest = q;
}

static void question_free(struct dns *dns, struct question *q)
{
    struct question **link = bucket_of(dns, q->name, q->type);
    while (*link != q)
        link = &(*link)->next;
    *link = q->next;
    answer_unref(q->answer);
    free(q);
}

static void evict(struct dns *dns, struct question *q)
{
    dns->cache_bytes -= memory_of(q);
    take_out(dns, q);
    question_free(dns, q);
}

/* Keeps it as long as it may be kept. */
static void settle(struct dns *dns, struct question *q)
{
    uint32_t limit = q->answer->status == ANSWER_RECORDS ? TTL_MAX : TTL_NONE_MAX;
    uint32_t ttl = q->answer->ttl < limit ? q->answer->ttl : limit;
    if (ttl == 0 || dns->closing) {
        question_free(dns, q);
        return;
    }
    q->expires_ms = clock_monotonic_ms() + (int64_t)ttl * 1000;
    put_first(dns, q);
    dns->cache_bytes += memory_of(q);
    while (dns->cache_bytes > dns->cache_limit)
        evict(dns, dns->oldest);
}

/* --- Questions --- */

/* Any of them may forget another, or ask the next question and so have the question evicted. */
static void call_waiters(struct dns_waiter *waiters, struct answer *answer)
{
    if (waiters)
        waiters->link = &waiters;
    while (waiters) {
        struct dns_waiter *waiter = waiters;
        dns_forget(waiter);
        waiter->done(waiter, answer_ref(answer));
    }
}

static struct answer *answer_of(const struct question *q, int status, const unsigned char *message,
                                int size)
{
    if (message && size > 0 &&
        (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND))
        return answer_parse(q->type, message, (size_t)size);
    return answer_empty(ANSWER_FAILED, status == ARES_ESERVFAIL ? 2 : 1);
}

static void on_answer(void *argument, int status, int timeouts, unsigned char *message, int size)
{
    struct question *q = argument;
    struct dns *dns = q->dns;
    (void)timeouts;
    dns->under_way--;
    if (status != ARES_EDESTRUCTION)
        note_silence(dns, is_silence(status));
    struct answer *answer = answer_of(q, status, message, size);
    if (!answer) /* no memory: whoever waits runs into its own time limit */
        log_warn("dns", NULL, LOG_TEXT("error", "out of memory"));
    q->answer = answer;
    if (q->starting)
        return;
    if (!answer) {
        while (q->waiters)
            dns_forget(q->waiters);
        question_free(dns, q);
        return;
    }
    struct dns_waiter *waiters = q->waiters;
    answer_ref(answer);
    settle(dns, q);
    call_waiters(waiters, answer);
    answer_unref(answer);
}

static struct answer *from_cache(struct dns *dns, struct question *q)
{
    if (clock_monotonic_ms() >= q->expires_ms) {
        evict(dns, q);
        return NULL;
    }
    take_out(dns, q);
    put_first(dns, q);
    return answer_ref(q->answer);
}

static struct question *start(struct dns *dns, const char *name, enum record_type type)
{
    struct question *q = calloc(1, sizeof *q);
    struct question **bucket = bucket_of(dns, name, type);
    if (!q)
        return NULL;
    q->dns = dns;
    q->type = type;
    strcpy(q->name, name);
    q->next = *bucket;
    *bucket = q;
    dns->under_way++;
    q->starting = true;
    ares_query(dns->channel, name, ns_c_in, (int)type, on_answer, q);
    q->starting = false;
    schedule(dns);
    return q;
}

static void wait_for(struct question *q, struct dns_waiter *waiter)
{
    waiter->next = q->waiters;
    waiter->link = &q->waiters;
    if (q->waiters)
        q->waiters->link = &waiter->next;
    q->waiters = waiter;
}

static struct answer *checked(struct answer *answer, int *code)
{
    *code = answer ? 0 : -ENOMEM;
    return answer;
}

struct answer *dns_ask(struct dns *dns, const char *name, enum record_type type,
                       struct dns_waiter *waiter, int *code)
{
    *code = 0;
    waiter->link = NULL;
    struct question *q = find(dns, name, type);
    if (q && q->answer) {
        struct answer *answer = from_cache(dns, q);
        if (answer)
            return answer;
        q = NULL;
    }
    if (!q) {
        if (dns->breaker == BREAKER_OPEN || dns->under_way >= QUESTIONS_MAX)
            return checked(answer_empty(ANSWER_FAILED, 0), code);
        size_t before = dns->under_way;
        q = start(dns, name, type);
        if (!q)
            return checked(NULL, code);
        if (dns->under_way == before) { /* it failed at once */
            struct answer *answer = q->answer ? answer_ref(q->answer) : NULL;
            if (answer)
                settle(dns, q);
            else
                question_free(dns, q);
            return checked(answer, code);
        }
    }
    wait_for(q, waiter);
    return NULL;
}

void dns_forget(struct dns_waiter *waiter)
{
    if (!waiter->link)
        return;
    *waiter->link = waiter->next;
    if (waiter->next)
        waiter->next->link = waiter->link;
    waiter->link = NULL;
}

/* --- Life --- */

static char *resolver_list(const struct auth_config *config)
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

static int open_channel(struct dns *dns, const struct auth_config *config, struct error *err)
{
    struct ares_options options = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
        .timeout = (int)config->query_timeout_ms,
        .tries = QUERY_TRIES,
        .ednspsz = EDNS_SIZE,
        .lookups = "b",
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = dns,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
               ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    int status = ares_init_options(&dns->channel, &options, mask);
    if (status != ARES_SUCCESS)
        return error_set(err, status == ARES_ENOMEM ? -ENOMEM : -EINVAL, "auth: DNS: %s",
                         ares_strerror(status));
    dns->has_channel = true;
    if (config->resolver_count == 0)
        return 0;
    char *list = resolver_list(config);
    status = list ? ares_set_servers_ports_csv(dns->channel, list) : ARES_ENOMEM;
    free(list);
    return status == ARES_SUCCESS
               ? 0
               : error_set(err, -EINVAL, "auth.resolvers: %s", ares_strerror(status));
}

int dns_open(uv_loop_t *loop, const struct auth_config *config, struct dns **out, struct error *err)
{
    struct dns *dns = calloc(1, sizeof *dns);
    int status = dns ? ares_library_init(ARES_LIB_INIT_ALL) : ARES_ENOMEM;
    if (status != ARES_SUCCESS) {
        free(dns);
        return error_set(err, -ENOMEM, "auth: DNS: %s", ares_strerror(status));
    }
    dns->loop = loop;
    dns->cache_limit = config->cache_size;
    uv_timer_init(loop, &dns->timer);
    uv_timer_init(loop, &dns->probe_timer);
    dns->timer.data = dns->probe_timer.data = dns;
    dns->open_handles = 2;
    int code = open_channel(dns, config, err);
    if (code < 0)
        dns_close(dns);
    else
        *out = dns;
    return code;
}

void dns_close(struct dns *dns)
{
    if (!dns)
        return;
    dns->closing = true;
    if (dns->has_channel)
        ares_destroy(dns->channel); /* ends the questions under way */
    while (dns->oldest)
        evict(dns, dns->oldest);
    ares_library_cleanup();
    uv_close((uv_handle_t *)&dns->timer, on_timer_closed);
    uv_close((uv_handle_t *)&dns->probe_timer, on_timer_closed);
}
