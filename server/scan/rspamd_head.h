/*
 * rspamd_head.h - what rspamd is told of a message: the header lines of a request.
 *
 * The memory is used again from one request to the next. Not for use by two threads at once.
 */
#ifndef MXHOOK_SCAN_RSPAMD_HEAD_H
#define MXHOOK_SCAN_RSPAMD_HEAD_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "../config/config.h"
#include "../transaction.h"

/* All zero: empty. */
struct rspamd_head {
    char *text; /* the lines, each with its NUL */
    size_t size, capacity;
    struct curl_slist *lines; /* an array, linked, for CURLOPT_HTTPHEADER; libcurl only reads it */
    size_t count, line_capacity;
    bool secret; /* a password is among them */
};

/* Writes all that is known: `client_name` is the client's confirmed name, or NULL. A password that cannot be read is
 * left out, and the log says so. 0 or -ENOMEM. */
int rspamd_head_write(struct rspamd_head *head, const struct config *config,
                      const struct transaction *transaction, const char *client_name);

void rspamd_head_clear(struct rspamd_head *head); /* empties it; a password is overwritten */
void rspamd_head_free(struct rspamd_head *head);  /* all of it; it can be used again */

#endif
