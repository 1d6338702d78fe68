/*
 * admin.h - the admin room: health, metrics, an API and a console, by HTTP.
 *
 * It has a thread of its own for HTTP, and three that read and try (readers.c): they do all that stands in this folder
 * but for what admin.c does on the loop. They read the spool and the history by connections of their own, so that they
 * slow no mail. What only the loop may do (a reload, taking a message) is handed to it.
 *
 * Where to start: to add an address of the API, a row in routes.c; a page, a file in console/.
 */
#ifndef MXHOOK_ADMIN_H
#define MXHOOK_ADMIN_H

#include <stdbool.h>
#include <uv.h>

#include "../base/error.h"
#include "../config/config.h"

struct listen_socket; /* smtp/sockets.h */
struct delivery;
struct spill;
struct admin;

/* What the room asks of the server. */
struct admin_hooks {
    /* Loop thread: loads configuration and rules again; admin_reloaded() tells what came of it. */
    void (*reload)(void *context);
    /* Loop thread: takes this message in as if a client had sent it, for this recipient; done() is called once, on
     * the loop's thread, with its id and the reply. `data` is handed over. */
    void (*submit)(void *context, const char *recipient, struct spill *data,
                   void (*done)(void *token, const char *id, const char *reply), void *token);
    /* Any thread but the loop's. Stores a delivery, to be sent at once: 0 when that is done, or a negative errno. The
     * delivery stays the caller's. */
    int (*send)(void *context, struct delivery *delivery);
    /* Any thread. */
    bool (*storage_is_full)(void *context);
    bool (*storage_is_away)(void *context);
};

/* Listens on the sockets (one for each of config->admin.listen), which it takes over where it succeeds. *out is NULL
 * where there is none to listen on. Loop thread. */
int admin_start(uv_loop_t *loop, struct config *config, struct listen_socket *sockets,
                const struct admin_hooks *hooks, void *context, struct admin **out,
                struct error *err);
/* The configuration is another one now. Loop thread; takes NULL as the room. */
void admin_configure(struct admin *admin, struct config *config);
/* What came of a reload, by whomever it was asked for, in words. Loop thread; takes NULL as the room. */
void admin_reloaded(struct admin *admin, bool fine, const char *text);
/* Ends the threads; what was asked of the loop is not answered any more. The loop must run once more before
 * it is closed. Loop thread; takes NULL. */
void admin_stop(struct admin *admin);

#endif
