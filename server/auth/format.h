/*
 * format.h - results as values of Received-SPF (RFC 7208 section 9.1) and Authentication-Results
 * (RFC 8601).
 */
#ifndef MXHOOK_AUTH_FORMAT_H
#define MXHOOK_AUTH_FORMAT_H

#include "result.h"

struct format_input {
    const char *hostname; /* this host: receiver, and authserv-id */
    const char *client_ip, *helo;
};

/* Sets the two values of `result`, in its arena. What came from outside can neither end a comment
 * nor a value. 0 or -ENOMEM. */
int format_result(struct auth_result *result, const struct format_input *input);

#endif
