/*
 * access.h - who may connect: the configuration's lists, then the limits.
 *
 * One thread, as limits.h.
 */
#ifndef MXHOOK_SMTP_ACCESS_H
#define MXHOOK_SMTP_ACCESS_H

#include "limits.h"

/* What a client is told instead of a greeting. */
struct refusal {
    int code;
    const char *enhanced, *text;
};

/* NULL: the client may come in; *counted says whether limits_leave() is to be called for it, and
 * limits_take_message() is to be asked. */
const struct refusal *access_enter(const struct access_config *access, struct limits *limits,
                                   const struct ip_address *address, int64_t now_ms, bool *counted);

#endif
