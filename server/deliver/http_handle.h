/*
 * http_handle.h - a libcurl handle and the request that it carries, for http.c and http_result.c
 * alone.
 *
 * handle       sends one request after the other; at rest between them
 * fresh        it sends its request for the second time, on a new connection
 * answered     the reply's status and headers have come, its body may not have
 */
#ifndef MXHOOK_DELIVER_HTTP_HANDLE_H
#define MXHOOK_DELIVER_HTTP_HANDLE_H

#include <curl/curl.h>

#include "http.h"
#include "multi.h"

struct http_handle {
    struct transfer transfer; /* first */
    struct http_handle *next; /* among those at rest */
    CURL *easy;
    struct http *http;
    struct http_request *request;
    struct curl_slist *headers; /* an array, linked */
    size_t header_capacity;
    uint64_t offset; /* into the payload */
    size_t header_bytes, body_bytes;
    int read_error; /* of the payload */
    bool has_route; /* some option of struct http_route is set */
    bool has_ca;    /* another than the system's: there is no way back */
    int sockets_opened, sockets_denied;
    int socket_error;                /* of the last one that could not be made */
    bool fresh;                      /* it goes out for the second time, on a new connection */
    bool too_many_headers, answered; /* status and headers have come */
    int64_t started_ms;
    char error[CURL_ERROR_SIZE];
    struct attempt_result result;
};

/* http_result.c: h->result, once libcurl is done with the request and said `rc`. */
void http_result_fill(struct http_handle *h, CURLcode rc);

#endif
