#include "dns.h"

#include <arpa/nameser.h>
#include <ares.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/log.h"
#include "../base/metrics.h"
#include "cache.h"
#include "channel.h"
#include "key.h"

#define QUESTIONS_MAX 10000u /* under way at once; more fail */

#define BREAKER_TIMEOUTS 5    /* in a row make it probe */
#define PROBE_PAUSE      1000 /* ms between probes while it is open */

/* One that is under way. */
struct dns_question {
    struct dns *dns;
    struct dns_key key;
    bool starting;             /* inside dns_ask(): nobody waits yet */
    bool settled;              /* answered, though nobody was told yet */
    struct dns_answer *answer; /* if so; NULL: no memory */
    struct dns_waiter *waiters;
    struct dns_question *next; /* among those that settled while another was starting */
};

enum dns_breaker { BREAKER_CLOSED, BREAKER_PROBING, BREAKER_OPEN };

struct dns {
    struct channel *channel;
    struct cache *cache;
    bool closing;
    uv_timer_t probe_timer;
    struct map questions; /* under way */
    /* One that goes out may end others, at once: newer c-ares ends all of a socket that is refused. Whoever waits for
     * those is told when the loop next turns, since nobody is told anything inside dns_ask(). */
    bool starting;
    struct dns_question *settled;
    uv_timer_t settled_timer;
    unsigned open_timers; /* of the two */
    enum dns_breaker breaker;
    unsigned timeouts; /* in a row */
};

static void probe(struct dns *dns);

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
    channel_ask(dns->channel, ".", ns_t_ns, on_probed, dns);
}

/* --- Questions --- */

static struct map_key key_of(const void *value)
{
    return dns_key_bytes(&((const struct dns_question *)value)->key);
}

static struct dns_question *find(struct dns *dns, const char *name, enum record_type type)
{
    struct dns_key key;
    dns_key_set(&key, name, type);
    return map_find(&dns->questions, dns_key_bytes(&key));
}

static void question_free(struct dns_question *q)
{
    map_take(&q->dns->questions, key_of(q));
    free(q);
}

/* Any of them may forget another, or ask the next question. Without an answer, for want of memory,
 * whoever waits runs into a time limit of its own. */
static void call_waiters(struct dns_question *q, struct dns_answer *answer)
{
    while (q->waiters) {
        struct dns_waiter *waiter = q->waiters;
        dns_forget(waiter);
        if (answer)
            waiter->done(waiter, dns_answer_ref(answer));
    }
}

/* A question that nobody finds any more. */
static void tell(struct dns_question *q)
{
    call_waiters(q, q->answer);
    dns_answer_unref(q->answer);
    free(q);
}

static void on_settled_timer(uv_timer_t *timer)
{
    struct dns *dns = timer->data;
    struct dns_question *q;
    while ((q = dns->settled)) {
        dns->settled = q->next;
        tell(q);
    }
}

static struct dns_answer *answer_of(const struct dns_question *q, int status,
                                    const unsigned char *message, int size)
{
    if (message && size > 0 &&
        (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND))
        return dns_answer_parse((enum record_type)q->key.type, message, (size_t)size);
    return dns_answer_empty(DNS_FAILED, status == ARES_ESERVFAIL ? 2 : 1);
}

static void count_answer(int status)
{
    metric_add(METRIC_DNS_LOOKUPS_TOTAL, 1,
               status == ARES_SUCCESS                               ? "found"
               : status == ARES_ENODATA || status == ARES_ENOTFOUND ? "none"
               : is_silence(status)                                 ? "timeout"
                                                                    : "failed");
}

static void on_answer(void *argument, int status, int timeouts, unsigned char *message, int size)
{
    struct dns_question *q = argument;
    struct dns *dns = q->dns;
    (void)timeouts;
    if (status != ARES_EDESTRUCTION)
        note_silence(dns, is_silence(status));
    count_answer(status);
    struct dns_answer *answer = answer_of(q, status, message, size);
    if (!answer)
        log_warn("dns", NULL, LOG_TEXT("error", "out of memory"));
    else if (!dns->closing)
        cache_put(dns->cache, q->key.name, (enum record_type)q->key.type, answer);
    q->answer = answer;
    q->settled = true;
    if (q->starting)
        return;
    map_take(&dns->questions, key_of(q)); /* who asks from here on asks anew */
    if (!dns->starting) {
        tell(q);
        return;
    }
    q->next = dns->settled;
    dns->settled = q;
    uv_timer_start(&dns->settled_timer, on_settled_timer, 0, 0);
}

static struct dns_question *start(struct dns *dns, const char *name, enum record_type type)
{
    struct dns_question *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->dns = dns;
    dns_key_set(&q->key, name, type);
    if (map_add(&dns->questions, q) != 0) {
        free(q);
        return NULL;
    }
    q->starting = dns->starting = true;
    channel_ask(dns->channel, name, (int)type, on_answer, q);
    q->starting = dns->starting = false;
    return q;
}

static void wait_for(struct dns_question *q, struct dns_waiter *waiter)
{
    waiter->next = q->waiters;
    waiter->link = &q->waiters;
    if (q->waiters)
        q->waiters->link = &waiter->next;
    q->waiters = waiter;
}

static struct dns_answer *checked(struct dns_answer *answer, int *code)
{
    *code = answer ? 0 : -ENOMEM;
    return answer;
}

struct dns_answer *dns_ask(struct dns *dns, const char *name, enum record_type type,
                           struct dns_waiter *waiter, int *code)
{
    *code = 0;
    waiter->link = NULL;
    struct dns_answer *answer = cache_get(dns->cache, name, type);
    if (answer) {
        metric_add(METRIC_DNS_LOOKUPS_TOTAL, 1, "cached");
        return answer;
    }
    struct dns_question *q = find(dns, name, type);
    if (!q) {
        if (dns->breaker == BREAKER_OPEN || dns->questions.count >= QUESTIONS_MAX)
            return checked(dns_answer_empty(DNS_FAILED, 0), code);
        q = start(dns, name, type);
        if (!q)
            return checked(NULL, code);
        if (q->settled) { /* it failed at once */
            assert(!q->waiters);
            answer = q->answer;
            question_free(q);
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

static void on_closed(uv_handle_t *handle)
{
    struct dns *dns = handle->data;
    if (--dns->open_timers == 0)
        free(dns);
}

static void open_timer(struct dns *dns, uv_loop_t *loop, uv_timer_t *timer)
{
    uv_timer_init(loop, timer);
    timer->data = dns;
    dns->open_timers++;
}

int dns_open(uv_loop_t *loop, const struct dns_config *config, struct dns **out, struct error *err)
{
    struct dns *dns = calloc(1, sizeof *dns);
    if (!dns)
        return error_set(err, -ENOMEM, "DNS: out of memory");
    dns->questions.key_of = key_of;
    open_timer(dns, loop, &dns->probe_timer);
    open_timer(dns, loop, &dns->settled_timer);
    dns->cache = cache_new(config->cache_size);
    int code = dns->cache ? channel_open(loop, config, &dns->channel, err)
                          : error_set(err, -ENOMEM, "DNS: out of memory");
    if (code < 0)
        dns_close(dns);
    else
        *out = dns;
    return code;
}

/* A channel that closes answers each question; then whoever waits must not be called. */
static void forget_all(struct dns *dns)
{
    for (size_t i = 0; i < dns->questions.capacity; i++) {
        struct dns_question *q = dns->questions.slots[i].value;
        while (q && q->waiters)
            dns_forget(q->waiters);
    }
    for (struct dns_question *q = dns->settled; q; q = q->next)
        while (q->waiters)
            dns_forget(q->waiters);
}

void dns_close(struct dns *dns)
{
    if (!dns)
        return;
    dns->closing = true;
    forget_all(dns);
    channel_close(dns->channel);
    cache_free(dns->cache);
    map_free(&dns->questions);
    on_settled_timer(&dns->settled_timer); /* none waits: they are freed */
    uv_close((uv_handle_t *)&dns->probe_timer, on_closed);
    uv_close((uv_handle_t *)&dns->settled_timer, on_closed);
}
