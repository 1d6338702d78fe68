/*
 * scan_headers.h - what the scanner is told of a message beside its bytes, as headers of rspamd's protocol
 * (https://docs.rspamd.com/developers/protocol). The loop's thread.
 */
#ifndef MXHOOK_SCAN_SCAN_HEADERS_H
#define MXHOOK_SCAN_SCAN_HEADERS_H

#include <curl/curl.h>
#include <stdbool.h>

#include "../config/config.h"
#include "../transaction.h"

/* Appends them, the password included; a password that cannot be read is logged, and left out. The list is the caller's to
 * free, also where there was no memory: false. `client_name` may be NULL. */
bool scan_headers(const struct config *config, const struct transaction *transaction,
                  const char *client_name, struct curl_slist **headers);

#endif
