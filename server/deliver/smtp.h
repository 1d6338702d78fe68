/*
 * smtp.h - messages handed to another server, by libcurl's SMTP.
 *
 * request      one message for one recipient; embedded in the caller's struct
 * phase        which command the server was asked last: what its reply is about
 *
 * libcurl waits for the reply to the end of DATA without giving its caller a chance to do anything
 * else (docs/TODO of curl, "More non-blocking"), and for the one to QUIT: on the loop that would
 * block everything for minutes. So each request that is under way has a thread of its own, which
 * keeps its connection for the next request, and ends when it has had none for a while.
 *
 * Functions are called on the loop's thread; nothing blocks but smtp_free().
 */
#ifndef MXHOOK_DELIVER_SMTP_H
#define MXHOOK_DELIVER_SMTP_H

#include <stdatomic.h>
#include <uv.h>

#include "../config/config.h"
#include "../spool/spool.h"
#include "result.h"

struct smtp_request {
    struct task task;          /* smtp's own */
    struct smtp_request *next; /* smtp's own */
    const char *url;     /* "smtp://host:25" or "smtps://host:465"; the host is whose certificate
                            is verified */
    const char *address; /* numeric, to connect to instead of looking the host up; NULL */
    const char *helo;
    const char *from, *to;   /* "" is the null sender (RFC 5321 section 4.5.5) */
    struct payload *payload; /* CRLF at the end of each line, no other CR or LF; not dot-stuffed */
    enum forward_tls tls;    /* of smtp:// */
    bool tls_fallback;       /* once more in clear, where opportunistic TLS fails */
    const char *user, *password;          /* NULL: no AUTH */
    const char *ca_file, *source_address; /* NULL: the system's */
    bool deny_private;
    int64_t connect_timeout_ms;   /* of TCP, about */
    int64_t reply_timeout_ms;     /* for each reply, and for each byte that is sent */
    int64_t timeout_ms;           /* of the whole; 0: no limit */
    atomic_bool cancelled;        /* smtp's own */
    struct attempt_result result; /* once done */
    /* Called once on the loop's thread, never within smtp_send(), unless smtp_cancel() was. */
    void (*done)(struct smtp_request *request);
    /* Called on the loop's thread after smtp_cancel(), when nobody looks at the request any more,
     * at the latest within smtp_free(). */
    void (*release)(struct smtp_request *request);
};

struct smtp;

int smtp_new(uv_loop_t *loop, struct smtp **out); /* 0 or a negative errno */
/* All that the request points to stays until done() or release(). 0, or a negative errno where no
 * thread can be had for it. */
int smtp_send(struct smtp *smtp, struct smtp_request *request);
/* Nothing is sent: done() is called, later, with the result as it stands. */
void smtp_answer(struct smtp *smtp, struct smtp_request *request);
/* Breaks it off: the other server sees no end of DATA, if it has not seen it yet. */
void smtp_cancel(struct smtp *smtp, struct smtp_request *request);
/* Waits for the threads, which takes a second at most once all requests are cancelled. The loop
 * must run once more before it is closed. Takes NULL. */
void smtp_free(struct smtp *smtp);

#endif
