/*
 * http_handle.h - a libcurl handle and the request that it carries, for the http*.c files alone.
 *
 * handle       sends one request after the other; idle between them
 * fresh        it sends its request for the second time, on a new connection
 * answering    the reply's first line has come; 1xx are none (RFC 9110 section 15.2)
 * answered     its status and headers have come, its body may not have
 * refused      it was sent, and the receiver said that it has not looked at it: HTTP/2 can tell
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
    unsigned tries;         /* the same, since we handed it to libcurl last */
    int opened;             /* sockets, when it went out last */
    bool on_new;            /* it went out last on a connection that was made for it */
    bool refused; /* HTTP/2: streams of its own connections were, time and again (REFUSED_STREAM) */
    bool too_many_headers, answering, answered;
    uv_timer_t timer; /* http_limits.c's, as what follows */
    enum http_phase phase;
    int64_t moved_ms; /* when the phase began, or a byte went or came in it */
    curl_off_t sent, received;
    bool stood_still; /* for longer than the phase's limit */
    bool thought;     /* its kept connection ended when an answer had been waited for, for long */
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

/* It was sent whole, and no answer has come for a tenth of the limit for its first byte: far longer than it takes to learn
 * that a kept connection had ended. */
bool http_limits_thinks_for_long(const struct http_handle *h);

/* http_result.c: h->result, once libcurl is done with the request and said `rc`. */
void http_result_fill(struct http_handle *h, CURLcode rc);
/* HTTP/2: the receiver says that it has not looked at the request (RFC 9113 section 8.7). */
bool http_result_is_refused(const struct http_handle *h, CURLcode rc);

#endif
