/*
 * How long a request may be idle: until it has a connection, from one byte to the next, and
 * from its last byte to the answer's first. libcurl bounds the whole.
 *
 * libcurl bounds the making of a connection too, but not the wait for one: requests that wait
 * whether another's connection can be shared (CURLOPT_PIPEWAIT) would be started one by one, each
 * with that limit anew, when the receiver does not answer.
 *
 * The timer runs to where a limit would strike if nothing moved any more, or before, and looks then.
 */
#include "../base/clock.h"
#include "http_handle.h"

static int64_t limit_ms(const struct http_handle *h)
{
    switch (h->phase) {
    case HTTP_CONNECTING: return h->request->connect_timeout_ms;
    case HTTP_WAITING: return h->request->first_byte_timeout_ms;
    case HTTP_SENDING:
    case HTTP_RECEIVING: return h->request->idle_timeout_ms;
    }
    return 0;
}

static void on_timer(uv_timer_t *timer)
{
    struct http_handle *h = timer->data;
    int64_t left = h->moved_ms + limit_ms(h) - clock_monotonic_ms();
    if (left > 0) {
        uv_timer_start(timer, on_timer, (uint64_t)left, 0);
        return;
    }
    h->stood_still = true;
    h->transfer.finished(&h->transfer, CURLE_OPERATION_TIMEDOUT);
}

static enum http_phase phase_of(const struct http_handle *h, curl_off_t sent)
{
    curl_off_t connected_us = 0;
    if (h->answering)
        return HTTP_RECEIVING;
    curl_easy_getinfo(h->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    if (connected_us == 0)
        return HTTP_CONNECTING;
    return (uint64_t)sent < payload_size(h->request->payload) ? HTTP_SENDING : HTTP_WAITING;
}

static void enter(struct http_handle *h, enum http_phase phase)
{
    h->phase = phase;
    h->moved_ms = clock_monotonic_ms();
    uint64_t ms = (uint64_t)limit_ms(h);
    if (!uv_is_active((uv_handle_t *)&h->timer) || uv_timer_get_due_in(&h->timer) > ms)
        uv_timer_start(&h->timer, on_timer, ms, 0);
}

void http_limits_begin(struct http_handle *h)
{
    h->sent = h->received = 0;
    h->stood_still = h->thought = false;
    enter(h, HTTP_CONNECTING);
}

bool http_limits_thinks_for_long(const struct http_handle *h)
{
    return h->phase == HTTP_WAITING &&
           clock_monotonic_ms() - h->moved_ms > h->request->first_byte_timeout_ms / 10;
}

void http_limits_answering(struct http_handle *h)
{
    if (h->phase != HTTP_RECEIVING)
        enter(h, HTTP_RECEIVING);
    h->moved_ms = clock_monotonic_ms();
}

int http_limits_progress(void *context, curl_off_t to_receive, curl_off_t received,
                         curl_off_t to_send, curl_off_t sent)
{
    struct http_handle *h = context;
    (void)to_receive;
    (void)to_send;
    enum http_phase phase = phase_of(h, sent);
    if (phase < HTTP_WAITING && !h->on_new && http_limits_thinks_for_long(h)) {
        h->thought = true; /* libcurl is about to send it again */
        return -1;
    }
    if (phase != h->phase)
        enter(h, phase);
    else if (sent != h->sent || received != h->received)
        h->moved_ms = clock_monotonic_ms();
    h->sent = sent;
    h->received = received;
    return 0;
}
