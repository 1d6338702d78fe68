/*
 * result.h - what came of an attempt, whatever protocol carried it.
 *
 * What it means is result_class.h's to say; what becomes of the delivery, retry.h's.
 */
#ifndef MXHOOK_DELIVER_RESULT_H
#define MXHOOK_DELIVER_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_KEPT  1024 /* bytes of the reply that are kept */
#define SERVER_SIZE 320  /* a host name, its address, a port and a NUL */

enum protocol { PROTOCOL_HTTP, PROTOCOL_SMTP };

struct attempt_result {
    enum protocol protocol;
    int status;    /* of the HTTP or SMTP reply; 0: no answer came */
    bool hopeless; /* nothing can be sent there: a bad URL, a domain that takes no mail */
    bool early;    /* SMTP: answered before MAIL, so not because of this message */
    bool ours;     /* it failed for a reason of this machine's */
    bool starved;  /* namely memory or descriptors: it is as if not attempted */
    const char *
        failure; /* where no answer came: "timeout", "connect", "tls", "dns" or "other", a constant; or
                            NULL: not told apart */
    char error[300];          /* why there is no answer, or what is wrong with it; "" */
    char server[SERVER_SIZE]; /* SMTP: which one it was, "mx.example.net[192.0.2.1]:25"; "" */
    bool sent;                /* HTTP: the whole request was handed to the kernel */
    bool broken;              /* HTTP: it answered, but not to a whole request, or not in HTTP */
    bool unfinished; /* HTTP/2: it said yes, clean and complete, before it had the whole body */
    bool in_clear;   /* SMTP: without TLS, since its handshake failed */
    bool repeated;   /* HTTP: sent again, by us or by libcurl: its connection had ended */
    int64_t retry_after_ms; /* HTTP: the pause it asks for (retry_after.h); 0: none */
    int64_t elapsed_ms;
    char reply[REPLY_KEPT]; /* the HTTP body's first bytes, or the SMTP reply, as they came */
    size_t reply_size;
};

#endif
