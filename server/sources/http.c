/* http.c - alias.http: asks an application, by GET. */
#include <curl/curl.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/id.h"
#include "../base/log.h"
#include "../base/metrics.h"
#include "../deliver/breaker.h"
#include "../deliver/curl_hooks.h"
#include "../deliver/multi.h"
#include "../deliver/sign.h"
#include "../mail/buffer.h"
#include "http_answer.h"
#include "kinds.h"

#define MAX_IN_FLIGHT  64 /* requests to one application */
#define PLACEHOLDER    "{address}"
#define RECEIVE_BUFFER 8192l

/* An application that fails is not asked for a second, for two, and so on up to half a minute; then one request tries it. */
static const struct deliver_config breaker_limits = {
    .breaker_failures = 5, .breaker_pause_ms = 1000, .breaker_pause_max_ms = 30000};

struct lookup_request {
    struct multi_transfer transfer; /* first */
    struct lookup_request *next;    /* while idle, or under way */
    struct application *application;
    CURL *easy;
    struct curl_slist *headers;
    struct flight *flight; /* NULL: idle */
    struct sockets_out sockets;
    struct buffer body;
    bool too_large;
};

struct application {
    struct source *source;
    struct multi *multi;
    struct payload *empty; /* what is signed: a GET has no body */
    struct breaker breaker;
    struct lookup_request *idle, *under_way;
    size_t in_flight;
    struct flight *first, **last; /* those that wait for a place */
};

static void ask_next(struct application *a);

/* ---- A request's handle ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct lookup_request *r = context;
    size_t n = size * count;
    r->too_large = r->body.size + n > LOOKUP_ANSWER_MAX;
    return !r->too_large && buffer_append(&r->body, bytes, n) == 0 ? n : 0;
}

static void on_end(struct multi_transfer *transfer, CURLcode rc);

/* A connection may have been made before addresses were denied. */
static int on_connected(void *context, char *address, char *local, int port, int local_port)
{
    struct lookup_request *r = context;
    (void)local, (void)port, (void)local_port;
    return sockets_out_may_use(&r->sockets, address) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static void set_options(struct lookup_request *r)
{
    const struct deliver_config *deliver = &r->application->source->config->deliver;
    char source[80];
    CURL *easy = r->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &r->transfer);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1l);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0l);
    curl_easy_setopt(easy, CURLOPT_PROXY, deliver->proxy ? deliver->proxy : "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "mxhook/" MXHOOK_VERSION);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, sockets_out_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &r->sockets);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, r);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, r);
    if (deliver->ca_file)
        curl_easy_setopt(easy, CURLOPT_CAINFO, deliver->ca_file);
    if (deliver->source_address) {
        snprintf(source, sizeof source, "host!%s", deliver->source_address);
        curl_easy_setopt(easy, CURLOPT_INTERFACE, source);
    }
}

static void request_free(struct lookup_request *r)
{
    if (r->easy)
        curl_easy_cleanup(r->easy);
    free(r);
}

static struct lookup_request *request_take(struct application *a)
{
    struct lookup_request *r = a->idle;
    if (r) {
        a->idle = r->next;
    } else {
        r = calloc(1, sizeof *r);
        if (!r || !(r->easy = curl_easy_init())) {
            free(r);
            return NULL;
        }
        r->application = a;
        r->transfer.finished = on_end;
        set_options(r);
    }
    r->next = a->under_way;
    a->under_way = r;
    a->in_flight++;
    return r;
}

static void request_rest(struct lookup_request *r)
{
    struct application *a = r->application;
    struct lookup_request **at = &a->under_way;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    curl_slist_free_all(r->headers);
    buffer_free(&r->body);
    r->headers = NULL;
    r->flight = NULL;
    r->too_large = false;
    r->next = a->idle;
    a->idle = r;
    a->in_flight--;
}

/* ---- What is asked ---- */

/* The address in the place of {address}, or as a parameter of its own. */
static bool set_url(struct lookup_request *r)
{
    const char *url = r->application->source->options->url, *at = strstr(url, PLACEHOLDER);
    char *address = curl_easy_escape(r->easy, r->flight->address, 0);
    char *whole = address ? malloc(strlen(url) + strlen(address) + 16) : NULL;
    bool fine = whole;
    if (fine && at)
        sprintf(whole, "%.*s%s%s", (int)(at - url), url, address, at + sizeof PLACEHOLDER - 1);
    else if (fine)
        sprintf(whole, "%s%caddress=%s", url, strchr(url, '?') ? '&' : '?', address);
    fine = fine && curl_easy_setopt(r->easy, CURLOPT_URL, whole) == CURLE_OK;
    free(whole);
    curl_free(address);
    return fine;
}

static bool add_header(struct lookup_request *r, const char *line)
{
    struct curl_slist *longer = curl_slist_append(r->headers, line);
    r->headers = longer ? longer : r->headers;
    return longer;
}

/* As a POST is signed (deliver/sign.h), over an empty body. */
static bool add_signature(struct lookup_request *r)
{
    const char *secret = r->application->source->options->secret;
    char id[ID_SIZE], signature[SIGN_SIZE], line[SIGN_SIZE + 40];
    int64_t now = clock_unix_ms() / 1000;
    struct error err = {""};
    if (!secret)
        return true;
    id_new(id);
    if (sign_payload(secret, id, now, r->application->empty, signature, &err) != 0) {
        log_limited(LOG_ERROR, "lookup", NULL,
                    LOG_TEXT("source", r->application->source->options->name),
                    LOG_TEXT("secret", err.text));
        return false;
    }
    snprintf(line, sizeof line, "webhook-id: %s", id);
    bool added = add_header(r, line);
    snprintf(line, sizeof line, "webhook-timestamp: %lld", (long long)now);
    added = added && add_header(r, line);
    snprintf(line, sizeof line, "webhook-signature: %s", signature);
    return added && add_header(r, line);
}

static bool begin(struct lookup_request *r)
{
    const struct source *source = r->application->source;
    r->sockets = (struct sockets_out){.deny_private = source->config->deliver.deny_private};
    if (!set_url(r) || !add_header(r, "Accept: application/json") || !add_signature(r))
        return false;
    curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, (long)source->options->timeout_ms);
    return multi_add(r->application->multi, r->easy) == 0;
}

static void ask_now(struct application *a, struct flight *flight)
{
    struct lookup_request *r = request_take(a);
    if (r) {
        r->flight = flight;
        if (begin(r))
            return;
        request_rest(r);
    }
    source_answered(flight, NULL, "it cannot be asked");
}

static void ask_next(struct application *a)
{
    while (a->first && a->in_flight < MAX_IN_FLIGHT) {
        struct flight *flight = a->first;
        a->first = flight->next;
        if (!a->first)
            a->last = &a->first;
        ask_now(a, flight);
    }
}

/* ---- What it says ---- */

/* NULL with *why: it has not answered. */
static struct lookup_answer *judge(struct lookup_request *r, CURLcode rc, const char **why)
{
    long status = 0;
    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    if (r->too_large)
        *why = "the answer is larger than 64 KiB";
    else if (sockets_out_are_denied(&r->sockets))
        *why = "its address is not public (deliver.deny_private)";
    else if (rc != CURLE_OK)
        *why = curl_easy_strerror(rc);
    else if (status == 404)
        return lookup_answer_new(LOOKUP_NONE, NULL, 0);
    else if (status >= 300 && status < 400)
        *why = "a redirect, which is not followed";
    else if (status != 200)
        *why = "neither 200 nor 404";
    else
        return http_answer_read(r->body.bytes ? r->body.bytes : "", r->body.size, why);
    return NULL;
}

static void note(struct application *a, bool answered, const char *why)
{
    const char *name = a->source->options->name;
    enum breaker_change change =
        answered ? breaker_succeeded(&a->breaker)
                 : breaker_failed(&a->breaker, &breaker_limits, clock_monotonic_ms());
    if (change == BREAKER_HAS_OPENED)
        log_warn("lookup-breaker", NULL, LOG_TEXT("source", name), LOG_TEXT("state", "open"),
                 LOG_NUMBER("pause_ms", a->breaker.pause_ms), LOG_TEXT("error", why));
    else if (change == BREAKER_HAS_CLOSED)
        log_info("lookup-breaker", NULL, LOG_TEXT("source", name), LOG_TEXT("state", "closed"));
}

static void fail_waiting(struct application *a, const char *why)
{
    while (a->first) {
        struct flight *flight = a->first;
        a->first = flight->next;
        if (!a->first)
            a->last = &a->first;
        source_answered(flight, NULL, why);
    }
}

static void on_end(struct multi_transfer *transfer, CURLcode rc)
{
    struct lookup_request *r = (struct lookup_request *)transfer;
    struct application *a = r->application;
    struct flight *flight = r->flight;
    const char *why = "out of memory";
    multi_remove(a->multi, r->easy);
    struct lookup_answer *answer = judge(r, rc, &why);
    request_rest(r);
    note(a, answer, why);
    metric_add(METRIC_LOOKUP_REQUESTS_TOTAL, 1, a->source->options->name,
               answer ? "answered" : "failed");
    source_answered(flight, answer, why);
    if (a->breaker.state == BREAKER_OPEN)
        fail_waiting(a, "it is not asked until it answers again");
    ask_next(a);
}

/* ---- The source ---- */

static int open_application(struct source *source)
{
    struct application *a = calloc(1, sizeof *a);
    struct spill *nothing = spill_from_bytes("", 0);
    if (a)
        a->empty = nothing ? payload_new(nothing, NULL) : NULL;
    if (!a || !a->empty || multi_new(&source->room->loop, &a->multi) != 0) {
        if (a && a->empty)
            payload_free(a->empty);
        else
            spill_free(nothing);
        free(a);
        return -ENOMEM;
    }
    multi_keep(a->multi, MAX_IN_FLIGHT);
    a->source = source;
    a->last = &a->first;
    source->own = a;
    return 0;
}

static void ask_application(struct source *source, struct flight *flight)
{
    struct application *a = source->own;
    breaker_look(&a->breaker, clock_monotonic_ms());
    if (a->breaker.state == BREAKER_OPEN ||
        (a->breaker.state == BREAKER_PROBING && a->in_flight > 0)) {
        source_answered(flight, NULL, "it is not asked until it answers again");
        return;
    }
    flight->next = NULL;
    *a->last = flight;
    a->last = &flight->next;
    ask_next(a);
}

static void close_application(struct source *source)
{
    struct application *a = source->own;
    while (a->under_way) {
        struct flight *flight = a->under_way->flight;
        multi_remove(a->multi, a->under_way->easy);
        request_rest(a->under_way);
        source_answered(flight, NULL, "it was taken out of the configuration");
    }
    fail_waiting(a, "it was taken out of the configuration");
    while (a->idle) {
        struct lookup_request *r = a->idle;
        a->idle = r->next;
        request_free(r);
    }
    multi_free(a->multi);
    payload_free(a->empty);
    free(a);
    source->own = NULL;
}

const struct source_kind source_http = {"http", open_application, ask_application, NULL,
                                        close_application};
