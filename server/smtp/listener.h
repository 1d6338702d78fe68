/*
 * listener.h - the sockets that SMTP comes in by, and the connections on them.
 *
 * Loop thread only. A connection (connection.c) joins a uv_tcp_t, a timer and a session.
 */
#ifndef MXHOOK_SMTP_LISTENER_H
#define MXHOOK_SMTP_LISTENER_H

#include <uv.h>

#include "../config.h"
#include "../error.h"
#include "session.h"

struct listeners;

/* What the listeners need of the server. All on the loop's thread. */
struct listener_hooks {
    struct config *(*config)(void *context);   /* the current one: a reference, handed over */
    struct ruleset *(*rules)(void *context);   /* the current generation: a reference, handed over */
    void (*release_rules)(struct ruleset *rules); /* any thread */
    enum recipient_answer (*check_recipient)(void *context, struct ruleset *rules,
                                             const char *recipient);
    /* Takes over a transaction; `done(token, reply)` must be called once, later, on the loop's
     * thread, even if the client is gone by then. */
    void (*submit)(void *context, struct transaction *transaction,
                   void (*done)(void *token, const struct reply *reply), void *token);
};

/* Binds and listens on all of config's addresses, or on none: then a negative errno, and `err` names
 * the address. Logs each address with its real port. */
int listeners_open(uv_loop_t *loop, const struct config *config, const struct listener_hooks *hooks,
                   void *context, const char *temporary_directory, struct listeners **out,
                   struct error *err);

/* Stops accepting, shuts sessions down as session_shut_down() says, and calls idle() once no
 * connection is left. */
void listeners_stop(struct listeners *listeners, void (*idle)(void *context), void *context);
/* Closes what is left and frees; the loop must run once more before it is closed. Takes NULL. */
void listeners_free(struct listeners *listeners);

#endif
