/*
 * scan.h - asks a scanner (rspamd) of a message, by HTTP on the loop.
 *
 * A message goes to /checkv2 as it came, read from memory or its file while it is sent. Several URLs are tried in
 * turns, and one after the other where one does not answer, each with its part of scan.timeout. A URL that fails
 * SCAN_FAILURES times in a row is skipped for SCAN_PAUSE_MS; then one message tries it. Both are logged once.
 *
 * All functions: the loop's thread.
 */
#ifndef MXHOOK_SCAN_SCAN_H
#define MXHOOK_SCAN_SCAN_H

#include <uv.h>

#include "../config/config.h"
#include "../transaction.h"
#include "result.h"

#define SCAN_FAILURES 3
#define SCAN_PAUSE_MS 10000

struct scan;

int scan_new(uv_loop_t *loop, struct scan **out); /* 0 or a negative errno */
/* No message may be under way. The loop must run once more before it is closed. Takes NULL. */
void scan_free(struct scan *scan);

/* Is this message to be asked for: a scanner is configured, it is not too large, and the client is one of those whose
 * mail is scanned? */
bool scan_is_wanted(const struct config *config, const struct transaction *transaction);

/* Begins. `config` and the transaction stay until done(), which is called once, never from inside: the result is the
 * callee's to free. `client_name`: the client's confirmed name; NULL: none, or not known yet. 0, or
 * -ENOMEM. */
int scan_start(struct scan *scan, const struct config *config,
               const struct transaction *transaction, const char *client_name,
               void (*done)(void *context, struct scan_result *result), void *context);

#endif
