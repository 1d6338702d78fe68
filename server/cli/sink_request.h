/*
 * sink_request.h - the requests that `mxhook sink` reads: just as much HTTP/1.1 as webhooks need,
 * which is a Content-Length and kept connections.
 */
#ifndef MXHOOK_CLI_SINK_REQUEST_H
#define MXHOOK_CLI_SINK_REQUEST_H

#include <stddef.h>

#define SINK_HEAD_MAX   65536          /* bytes of a request's line and headers */
#define SINK_BODY_MAX   (512ull << 20) /* bytes */
#define SINK_VALUE_SIZE 1024           /* of one header; longer ones are cut */

struct sink_request { /* points into what was read */
    const char *head;
    size_t head_size; /* with the empty line */
    const char *body;
    size_t body_size;
};

/* Reads the first request of `size` bytes that end with NUL. 1: it is whole; 0: more is to come;
 * else the HTTP status that refuses it. */
int sink_request_parse(const char *bytes, size_t size, struct sink_request *request);

/* Copies a header's value, "" where there is none, and returns it. */
const char *sink_request_header(const struct sink_request *request, const char *name,
                                char value[SINK_VALUE_SIZE]);

/* Checks the signature (Standard Webhooks) by a secret as destinations have them. NULL: it is
 * right; else what is wrong. */
const char *sink_request_check(const struct sink_request *request, const char *secret);

#endif
