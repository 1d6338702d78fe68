/* post.h - an attempt by HTTP: one POST, its headers, its signature, its end. */
#ifndef MXHOOK_DELIVER_POST_H
#define MXHOOK_DELIVER_POST_H

#include "senders.h"

/* As attempt_start(). A large body is signed, and files with secrets are read, in a
 * thread of libuv's pool first. */
struct attempt *post_start(struct senders *senders, struct config *config,
                           struct delivery *delivery, attempt_done done, void *context);

#endif
