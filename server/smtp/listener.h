/*
 * listener.h - the sockets that SMTP comes in by, and the connections on them.
 *
 * Loop thread only. A connection (connection.h) joins a stream, a timer and a session. The
 * process must ignore SIGPIPE, as libuv's users do.
 *
 * Whom access.h does not let in is told why and closed. Clients past smtp.max_connections get
 * 421 4.3.2 and are closed, and so do those that come while the process has no file descriptor left:
 * a spare one is kept for that. If even that fails, accepting pauses for a moment, and clients wait
 * in the kernel's queue.
 */
#ifndef MXHOOK_SMTP_LISTENER_H
#define MXHOOK_SMTP_LISTENER_H

#include <uv.h>

#include "../config/config.h"
#include "../base/error.h"
#include "session.h"

struct listeners;
struct listen_socket; /* sockets.h */

/* What the listeners need of the server. All on the loop's thread. */
struct listener_hooks {
    struct config *(*config)(void *context); /* the current one: a reference, handed over */
    struct ruleset *(*rules)(void *context); /* the current generation: a reference, handed over */
    void (*release_rules)(struct ruleset *rules); /* any thread */
    /* Answers, or RECIPIENT_WAIT: then `done(token, answer)` must be called once, later, on the
     * loop's thread, even if the client is gone by then. Must not take long itself. */
    enum recipient_answer (*check_recipient)(
        void *context, struct ruleset *rules, const char *recipient,
        void (*done)(void *token, enum recipient_answer answer), void *token);
    /* NULL, or told of a new transaction whose MAIL is accepted; it stays the session's. */
    void (*begin)(void *context, struct transaction *transaction);
    /* NULL, or told of what was refused before it got there (session.h). */
    void (*refused)(void *context, const struct session_refused *refused);
    /* Takes over a transaction; `done(token, replies, count, digest)` must be called once, from
     * inside or later, on the loop's thread, even if the client is gone by then. For replies and
     * count see session_answer(); digest is the transaction's. */
    void (*submit)(void *context, struct transaction *transaction,
                   void (*done)(void *token, const struct reply *replies, size_t count,
                                uint64_t digest),
                   void *token);
    /* NULL, or false while so many transactions are with submit() that no more should begin. */
    bool (*has_room)(void *context);
    /* NULL, or false while there is no storage for new mail. */
    bool (*has_storage)(void *context);
};

/* Listens on the sockets of sockets_open(), one for each of config's addresses, or on none: then a
 * negative errno, and `err` names the address (and the loop must run on before it is closed). Takes
 * over the sockets in any case: all become -1. Those that are not inherited turn away, at the end,
 * who is still in their queue. Logs each address with its real port. */
int listeners_open(uv_loop_t *loop, const struct config *config, struct listen_socket *sockets,
                   const struct listener_hooks *hooks, void *context,
                   const char *temporary_directory, struct listeners **out, struct error *err);

/* Stops accepting, shuts sessions down as session_shut_down() says, and calls idle() once no
 * connection is left: none that a client is on, and none whose done() is still to come. idle() is
 * never called from inside this function. */
void listeners_stop(struct listeners *listeners, void (*idle)(void *context), void *context);
/* Closes what is left, and frees once the loop has run on: that must happen before it is closed. No
 * idle() after this; done() of what is with submit() may still come, and is needed to free its
 * connection. Takes NULL. */
void listeners_free(struct listeners *listeners);

#endif
