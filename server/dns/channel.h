/*
 * channel.h - c-ares on a libuv loop: a question goes out, an answer's bytes come in.
 *
 * All functions: the loop's thread.
 */
#ifndef MXHOOK_DNS_CHANNEL_H
#define MXHOOK_DNS_CHANNEL_H

#include <ares.h>
#include <uv.h>

#include "../config/config.h"
#include "../base/error.h"
#include "dns_answer.h"

struct channel;

/* *out is closed by channel_close(). 0 or a negative errno. */
int channel_open(uv_loop_t *loop, const struct dns_config *config, struct channel **out,
                 struct error *err);

/* Calls done() once, as ares_query(3) says: maybe before this returns, and with ARES_EDESTRUCTION
 * from inside channel_close(). */
void channel_ask(struct channel *channel, const char *name, int type, ares_callback done,
                 void *context);

/* Ends the questions under way. Frees itself when the loop next runs. Takes NULL. */
void channel_close(struct channel *channel);

#endif
