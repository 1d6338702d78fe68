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

/* `finished` is called once for each transfer that ends, never within multi_add(). */
int multi_new(uv_loop_t *loop, void (*finished)(CURL *easy, CURLcode rc), struct multi **out);
/* How many connections may be kept open for later transfers. */
void multi_keep(struct multi *multi, size_t connections);
int multi_add(struct multi *multi, CURL *easy); /* 0 or -ENOMEM */
void multi_remove(struct multi *multi, CURL *easy);
/* All transfers are removed. The loop must run once more before it is closed. Takes NULL. */
void multi_free(struct multi *multi);

#endif
