/*
 * A request is a libcurl easy handle, taken from the idle ones: making one anew costs more than the
 * request. Connections are libcurl's to keep.
 */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "../base/clock.h"
#include "http_handle.h"

#define IDLE_CONNECTION_S 90 /* shorter than what most receivers keep one for */
#define RECEIVE_BUFFER    8192l
#define TRIES_MAX         2 /* how often libcurl may send a request before it is for us to say */

static void finish(struct multi_transfer *transfer, CURLcode rc);

struct http {
    uv_loop_t *loop;
    struct multi *multi;
    struct http_handle *idle;
};

/* ---- libcurl's callbacks within a request ---- */

/* libcurl begins again where a kept connection turns out to be dead. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
    struct http_handle *h = context;
    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    h->body.offset = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    struct http_handle *h = context;
    long status = 0;
    curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
    h->answering = status >= 200;
    if (h->answering)
        http_limits_answering(h);
    if (h->answering)
        wait_read_header(&h->wait, line, size * count, clock_unix_ms());
    if (count >= 1 && (*line == '\r' || *line == '\n')) /* their end */
        h->answered = h->answering;
    h->header_bytes += size * count;
    if (h->header_bytes <= HTTP_HEADERS_MAX)
        return size * count;
    h->too_many_headers = true;
    return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct http_handle *h = context;
    struct attempt_result *result = &h->result;
    size_t room = sizeof result->reply - result->reply_size, n = size * count;
    size_t kept = n < room ? n : room;
    memcpy(result->reply + result->reply_size, bytes, kept);
    result->reply_size += kept;
    h->body_bytes += n;
    return h->body_bytes <= HTTP_REPLY_MAX ? n : 0;
}

/* ---- Handles ---- */

/* Before the request goes out, on a new connection or a kept one: which may be older than a
 * configuration that denies its address. Once more where libcurl, unasked, sends it again: since a kept connection has
 * ended, or an HTTP/2 stream was refused. On a connection that was made for the request, it is the latter alone. */
static int on_connected(void *context, char *remote, char *local, int remote_port, int local_port)
{
    struct http_handle *h = context;
    (void)local, (void)remote_port, (void)local_port;
    if (h->tries++ == TRIES_MAX) {
        h->refused = h->on_new;
        return CURL_PREREQFUNC_ABORT;
    }
    h->on_new = h->sockets.opened > h->opened;
    h->opened = h->sockets.opened;
    h->times++;
    return sockets_out_may_use(&h->sockets, remote) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static void set_lasting_options(struct http_handle *h)
{
    CURL *easy = h->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &h->transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, h->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1l);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0l);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, http_limits_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, h);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0l);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, h);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_CONNECTION_S);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, sockets_out_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &h->sockets);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
    curl_easy_setopt(easy, CURLOPT_POST, 1l);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, body_out_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, &h->body);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, h);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, h);
}

static void timer_closed(uv_handle_t *timer)
{
    free(timer->data);
}

static void handle_free(struct http_handle *h)
{
    curl_easy_cleanup(h->easy);
    free(h->headers);
    uv_close((uv_handle_t *)&h->timer, timer_closed);
}

static struct http_handle *handle_new(struct http *http)
{
    struct http_handle *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->http = http;
    h->transfer.finished = finish;
    h->easy = curl_easy_init();
    if (!h->easy) {
        free(h);
        return NULL;
    }
    uv_timer_init(http->loop, &h->timer);
    h->timer.data = h;
    set_lasting_options(h);
    return h;
}

static struct http_handle *handle_take(struct http *http, const struct http_request *request)
{
    struct http_handle *h;
    while ((h = http->idle)) {
        http->idle = h->next;
        if (request->route.ca_file || !h->has_ca)
            return h;
        handle_free(h);
    }
    return handle_new(http);
}

/* libcurl 8.14, which Debian 13 has, forgets to free its copy of a name that did not resolve when the same handle resolves
 * another (curl's issue 17602): that handle is not used again. */
static bool may_be_used_again(CURLcode rc)
{
    return rc != CURLE_COULDNT_RESOLVE_HOST && rc != CURLE_COULDNT_RESOLVE_PROXY;
}

static void handle_rest(struct http_handle *h, CURLcode rc)
{
    struct http *http = h->http;
    multi_remove(http->multi, h->easy);
    uv_timer_stop(&h->timer);
    h->request->handle = NULL;
    h->request = NULL;
    if (!may_be_used_again(rc)) {
        handle_free(h);
        return;
    }
    h->next = http->idle;
    http->idle = h;
}

/* ---- A request ---- */

/* libcurl only reads the list, so its nodes may stand in an array, with the caller's strings. */
static int set_headers(struct http_handle *h, const struct http_request *request)
{
    static char no_expect[] = "Expect:"; /* else it would wait for 100 Continue with a large body */
    size_t count = request->header_count + 1;
    if (count > h->header_capacity) {
        struct curl_slist *grown = realloc(h->headers, count * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        h->headers = grown;
        h->header_capacity = count;
    }
    h->headers[0].data = no_expect;
    for (size_t i = 1; i < count; i++) {
        h->headers[i].data = (char *)request->headers[i - 1];
        h->headers[i - 1].next = &h->headers[i];
    }
    h->headers[count - 1].next = NULL;
    curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->headers);
    return 0;
}

/* What lies in memory in one piece goes out together with the request's head, in one write. */
static void set_body(struct http_handle *h, const struct payload *payload)
{
    const char *memory = payload->tail ? NULL : spill_memory(payload->head);
    curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, memory);
    curl_easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)payload_size(payload));
}

static bool has_route(const struct http_route *route)
{
    return route->ca_file || route->client_cert || route->client_key || route->source_address ||
           route->proxy;
}

static CURLcode set_source(CURL *easy, const char *address)
{
    char text[80];
    snprintf(text, sizeof text, "host!%s", address ? address : "");
    return curl_easy_setopt(easy, CURLOPT_INTERFACE, address ? text : NULL);
}

/* Most requests have none of this, and their handles need not be told each time. */
static int set_route(struct http_handle *h, const struct http_route *route)
{
    if (!has_route(route) && !h->has_route)
        return 0;
    h->has_route = has_route(route);
    h->has_ca |= route->ca_file != NULL;
    CURLcode rc = set_source(h->easy, route->source_address);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(h->easy, CURLOPT_PROXY, route->proxy ? route->proxy : "");
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(h->easy, CURLOPT_SSLCERT, route->client_cert);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(h->easy, CURLOPT_SSLKEY, route->client_key);
    if (rc == CURLE_OK && route->ca_file)
        rc = curl_easy_setopt(h->easy, CURLOPT_CAINFO, route->ca_file);
    return rc == CURLE_OK ? 0 : -ENOMEM;
}

static void begin_anew(struct http_handle *h)
{
    const struct http_route *route = &h->request->route;
    h->body = (struct body_out){.payload = h->request->payload};
    h->sockets = (struct sockets_out){.deny_private = route->deny_private};
    h->header_bytes = h->body_bytes = 0;
    h->wait = (struct wait_asked){0};
    h->result.reply_size = 0;
    h->too_many_headers = h->answering = h->answered = h->fresh = false;
    h->on_new = h->refused = false;
    h->error[0] = 0;
    h->times = h->tries = 0;
    h->opened = 0;
    h->started_ms = clock_monotonic_ms();
    http_limits_begin(h);
}

static int set_request(struct http_handle *h, struct http_request *request)
{
    h->request = request;
    request->handle = h;
    begin_anew(h);
    set_body(h, request->payload);
    curl_easy_setopt(h->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    curl_easy_setopt(h->easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    if (curl_easy_setopt(h->easy, CURLOPT_URL, request->url) != CURLE_OK)
        return -ENOMEM;
    /* Where HTTP/2 may be offered, requests wait for the first connection to tell. */
    bool may_multiplex = strncasecmp(request->url, "https:", 6) == 0;
    curl_easy_setopt(h->easy, CURLOPT_PIPEWAIT, may_multiplex ? 1l : 0l);
    curl_easy_setopt(h->easy, CURLOPT_FRESH_CONNECT, 0l);
    curl_easy_setopt(h->easy, CURLOPT_MAXLIFETIME_CONN,
                     (long)((request->route.connection_age_ms + 999) / 1000));
    int code = set_route(h, &request->route);
    return code == 0 ? set_headers(h, request) : code;
}

int http_send(struct http *http, struct http_request *request)
{
    struct http_handle *h = handle_take(http, request);
    if (!h)
        return -ENOMEM;
    int code = set_request(h, request);
    if (code == 0 && multi_add(http->multi, h->easy) == 0)
        return 0;
    request->handle = NULL;
    handle_free(h);
    return -ENOMEM;
}

void http_cancel(struct http *http, struct http_request *request)
{
    (void)http;
    handle_rest(request->handle, CURLE_OK);
}

/* ---- The end of a request ---- */

/* A kept connection that ends just when it is used again (GOAWAY, an idle timeout there) is
 * nobody's failure: the request goes out once more, on a new one. But not where an answer had begun, or
 * the receiver had it for long: that one did not miss it. */
static bool is_stale(const struct http_handle *h, CURLcode rc)
{
    if (h->fresh || h->header_bytes > 0 || h->body.error || h->thought ||
        http_limits_thinks_for_long(h))
        return false;
    if (http_result_is_refused(h, rc))
        return !h->refused;
    return h->sockets.opened == 0 &&
           (rc == CURLE_SEND_ERROR || rc == CURLE_RECV_ERROR || rc == CURLE_GOT_NOTHING ||
            rc == CURLE_HTTP2 || rc == CURLE_PARTIAL_FILE || h->tries > TRIES_MAX);
}

static bool send_again(struct http_handle *h)
{
    struct multi *multi = h->http->multi;
    multi_remove(multi, h->easy);
    h->fresh = true;
    h->body.offset = 0;
    h->header_bytes = h->body_bytes = 0;
    h->result.reply_size = 0;
    h->answering = false;
    h->error[0] = 0;
    h->tries = 0;
    http_limits_begin(h);
    curl_easy_setopt(h->easy, CURLOPT_FRESH_CONNECT, 1l);
    return multi_add(multi, h->easy) == 0;
}

/* multi's */
static void finish(struct multi_transfer *transfer, CURLcode rc)
{
    struct http_handle *h = (struct http_handle *)transfer;
    struct http_request *request = h->request;
    if (is_stale(h, rc) && send_again(h))
        return;
    http_result_fill(h, rc);
    struct attempt_result result = h->result;
    handle_rest(h, rc);
    request->done(request, &result);
}

/* ---- Life ---- */

int http_new(uv_loop_t *loop, struct multi *multi, struct http **out)
{
    struct http *http = calloc(1, sizeof *http);
    if (!http)
        return -ENOMEM;
    http->loop = loop;
    http->multi = multi;
    *out = http;
    return 0;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    for (struct http_handle *h = http->idle, *next; h; h = next) {
        next = h->next;
        handle_free(h);
    }
    free(http);
}
