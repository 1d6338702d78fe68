/*
 * access.h - who may connect: the configuration's lists, then the limits.
 *
 * One thread, as limits.h.
 */
#ifndef MXHOOK_SMTP_ACCESS_H
#define MXHOOK_SMTP_ACCESS_H

#include "limits.h"

/* What a client is told instead of a greeting; code 0: nothing. */
struct refusal {
    int code;
    const char *enhanced, *text;
};

#define REFUSAL_SIZE 512 /* a reply line (RFC 5321 section 4.5.3.1.5) */

/* Returns the size of the reply. */
size_t refusal_format(const struct refusal *refusal, const char *hostname,
                      char reply[REFUSAL_SIZE]);

/* NULL: the client may come in (access.xclient always); *counted says whether limits_leave() is to
 * be called for it, and limits_take_message() is to be asked. */
const struct refusal *access_enter(const struct access_config *access, struct limits *limits,
                                   const struct ip_address *address, int64_t now_ms, bool *counted);
/* The same for a client whose address nobody knows: it is on no list, and has no limits. */
const struct refusal *access_enter_unknown(const struct access_config *access);

#endif
