/*
 * server_parts.h - inside the server: shared by server.c, which starts it, and the server_*.c.
 *
 * All on the loop, unless it says otherwise.
 */
#ifndef MXHOOK_SERVER_PARTS_H
#define MXHOOK_SERVER_PARTS_H

#include <uv.h>

#include "admin/admin.h"
#include "smtp/listener.h"
#include "spool/spool.h"

/* Each goes to a later one only. */
enum server_state {
    SERVER_RUNNING,
    SERVER_FINISHING_SESSIONS,     /* no new connections; those there may end their message */
    SERVER_FINISHING_TRANSACTIONS, /* no connection left; the workers may end what they have */
    SERVER_FINISHING_DELIVERIES,   /* no new attempts; those under way may end */
    SERVER_BREAKING_OFF,           /* time is up; only the workers may end what they have */
    SERVER_CLOSING,
};

struct server {
    uv_loop_t loop;
    enum server_state state;
    struct config *config; /* other threads read it, and a reload sets it, under the lock */
    uv_mutex_t config_lock;
    struct give_up_hook give_up;
    struct ruleset *rules;
    size_t worker_count;
    struct spool *spool;
    struct deliver *deliver;
    struct auth *auth;
    struct scan *scan;
    struct workers *workers;
    struct listeners *listeners;
    struct reload *reload;
    struct admin *admin; /* NULL: there is none */
    uv_signal_t hangup, terminate, interrupt;
    uv_timer_t stop_timer, watchdog;
    uv_prepare_t end_of_turn; /* what the log holds goes out before the loop waits */
    struct listen_socket
        *sockets;        /* one for each address to listen on; the listeners take them over */
    size_t transactions; /* handed to the workers and not yet back */
    size_t questions;    /* about recipients; the same */
};

/* server_reload.c. Makes server->reload; 0 or a negative errno. */
int server_make_reload(struct server *server);
/* Begins a reload; what came of it goes to the log, to systemd and to the admin room. */
void server_reload(struct server *server);
void server_on_hangup(uv_signal_t *handle, int number); /* SIGHUP: the same */
/* Of tls_warn(). */
void server_log_certificate(void *context, const char *text);

/* server_stop.c. SIGTERM and SIGINT. */
void server_on_terminate(uv_signal_t *handle, int number);
/* Goes on with a stop once the workers have nothing of ours. To be called whenever one has come back. */
void server_finish_transactions(struct server *server);
/* Closes every handle; the loop then ends by itself. For a start that failed, too. */
void server_close_all(struct server *server);

/* server_mail.c. The context is the server. */
extern const struct listener_hooks server_listener_hooks;
/* Is there room for one more message on its way to the spool, and in the spool? */
bool server_has_room(void *context);
bool server_has_storage(void *context); /* the spool is not full */
/* Takes the transaction; done() gets its replies, later or at once. */
void server_submit(void *context, struct transaction *transaction,
                   void (*done)(void *token, const struct reply *replies, size_t count,
                                uint64_t digest),
                   void *token);

/* server_admin.c. The context is the server. */
extern const struct admin_hooks server_admin_hooks;

#endif
