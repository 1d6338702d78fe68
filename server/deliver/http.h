/*
 * http.h - POSTs by libcurl, on the loop.
 *
 * request      one POST; embedded in the caller's struct, which says what to do with its end
 * result       what came of it: a status, or no answer and why
 *
 * Everything here runs on the loop's thread, and nothing blocks but reading a payload's file.
 */
#ifndef MXHOOK_DELIVER_HTTP_H
#define MXHOOK_DELIVER_HTTP_H

#include <uv.h>

#include "../spool/spool.h"
#include "result.h"

#define HTTP_REPLY_MAX                                                                             \
    (64 * 1024) /* bytes of body that are read at all; the status is known by then */
#define HTTP_HEADERS_MAX (64 * 1024) /* bytes of headers, all of them */

struct http_request {
    const char *url;
    const char *const *headers; /* "Name: value" */
    size_t header_count;
    struct payload *payload;
    int64_t connect_timeout_ms, first_byte_timeout_ms, idle_timeout_ms;
    int64_t timeout_ms;         /* of the whole */
    const char *timeout_option; /* that set it, for the log */
    struct http_route {         /* strings may be NULL: none */
        const char *ca_file;    /* NULL: the system's */
        const char *client_cert, *client_key;
        const char *source_address, *proxy;
        bool deny_private;         /* never with a proxy, which would know the address, not we */
        int64_t connection_age_ms; /* an older connection is not used again */
    } route;
    /* Called once, never within http_send(). The request is the caller's again. */
    void (*done)(struct http_request *request, const struct attempt_result *result);
    struct http_handle *handle; /* http's own */
};

struct http;

struct multi;

int http_new(uv_loop_t *loop, struct multi *multi, struct http **out); /* 0 or a negative errno */
/* Begins a POST. All that the request points to stays until its end. 0 or -ENOMEM. */
int http_send(struct http *http, struct http_request *request);
/* Breaks it off; done() is not called. */
void http_cancel(struct http *http, struct http_request *request);
/* No request may be under way. The loop must run once more before it is closed. Takes NULL. */
void http_free(struct http *http);

#endif
