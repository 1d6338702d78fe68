/*
 * attempt.h - one POST of a delivery: its headers, its signature, its end.
 */
#ifndef MXHOOK_DELIVER_ATTEMPT_H
#define MXHOOK_DELIVER_ATTEMPT_H

#include "../config.h"
#include "http.h"

struct attempt;

/* Called once, with the delivery that was handed in. */
typedef void (*attempt_done)(void *context, struct delivery *delivery,
                             const struct http_result *result);

/* Begins one, which borrows the delivery and keeps references of its payload and the config. A
 * large body is signed in a thread of libuv's pool first. NULL: no memory. Loop thread. */
struct attempt *attempt_start(uv_loop_t *loop, struct http *http, struct config *config,
                              struct delivery *delivery, attempt_done done, void *context);
/* Breaks it off; done() is not called. */
void attempt_cancel(struct attempt *attempt);

#endif
