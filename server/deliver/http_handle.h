/*
 * http_handle.h - a libcurl handle and the request that it carries, for the http*.c files alone.
 *
 * handle       sends one request after the other; idle between them
 * fresh        it sends its request for the second time, on a new connection
 * answering    the reply's first line has come; 1xx are none (RFC 9110 section 15.2)
 * answered     its status and headers have come, its body may not have
 * phase        what a request is doing, and so which limit of time it may run into
 */
#ifndef MXHOOK_DELIVER_HTTP_HANDLE_H
#define MXHOOK_DELIVER_HTTP_HANDLE_H

#include <curl/curl.h>
#include <uv.h>

#include "curl_hooks.h"
#include "http.h"
#include "multi.h"
#include "retry_after.h"

enum http_phase { HTTP_CONNECTING, HTTP_SENDING, HTTP_WAITING, HTTP_RECEIVING };

struct http_handle {
    struct multi_transfer transfer; /* first */
    struct http_handle *next;       /* among the idle ones */
    CURL *easy;
    struct http *http;
    struct http_request *request;
    struct curl_slist *headers; /* an array, linked */
    size_t header_capacity;
    struct body_out body;
    struct sockets_out sockets;
    size_t header_bytes, body_bytes;
    struct wait_asked wait; /* by the answer's headers */
    bool has_route;         /* some option of struct http_route is set */
    bool has_ca;            /* another than the system's: there is no way back */
    bool fresh;             /* it goes out for the second time, on a new connection */
    unsigned times;         /* it was about to go out: by us or by libcurl itself */
    bool too_many_headers, answering, answered;
    uv_timer_t timer; /* http_limits.c's, as what follows */
    enum http_phase phase;
    int64_t moved_ms; /* when the phase began, or a byte went or came in it */
    curl_off_t sent, received;
    bool stood_still; /* for longer than the phase's limit */
    int64_t started_ms;
    char error[CURL_ERROR_SIZE];
    struct attempt_result result;
};

/* http_limits.c: begins with no connection; notes that the answer begins or goes on; is libcurl's
 * progress callback. Where a limit strikes, the transfer is finished with CURLE_OPERATION_TIMEDOUT.
 */
void http_limits_begin(struct http_handle *h);
void http_limits_answering(struct http_handle *h);
int http_limits_progress(void *handle, curl_off_t to_receive, curl_off_t received,
                         curl_off_t to_send, curl_off_t sent);

/* http_result.c: h->result, once libcurl is done with the request and said `rc`. */
void http_result_fill(struct http_handle *h, CURLcode rc);

#endif
