/*
 * sink.h - where bytes go that come in pieces.
 */
#ifndef MXHOOK_MAIL_SINK_H
#define MXHOOK_MAIL_SINK_H

#include <stddef.h>

#define PIECE_MAX (64u * 1024u) /* bytes that a sink is given at once, at most */

/* Takes bytes in pieces; returns 0, or a negative errno that ends the work and is handed through.
 */
typedef int (*bytes_sink)(void *context, const char *bytes, size_t size);

#endif
