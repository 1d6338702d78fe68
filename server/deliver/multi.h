/*
 * multi.h - libcurl's multi interface on the loop: its sockets are polled and its timer run by
 * libuv.
 *
 * Loop thread.
 */
#ifndef MXHOOK_DELIVER_MULTI_H
#define MXHOOK_DELIVER_MULTI_H

#include <curl/curl.h>
#include <uv.h>

struct multi;

/* What an easy handle's CURLOPT_PRIVATE points at. */
struct multi_transfer {
    /* Called once when it has ended, never within multi_add(). */
    void (*finished)(struct multi_transfer *transfer, CURLcode rc);
};

int multi_new(uv_loop_t *loop, struct multi **out); /* 0 or a negative errno */
/* How many connections may be kept open for later transfers. */
void multi_keep(struct multi *multi, size_t connections);
int multi_add(struct multi *multi, CURL *easy);     /* 0 or -ENOMEM */
void multi_remove(struct multi *multi, CURL *easy); /* one that has ended, or is to be broken off */
/* All transfers are removed. The loop must run once more before it is closed. Takes NULL. */
void multi_free(struct multi *multi);

#endif
