/*
 * connection_private.h - what the files of a connection share; nobody else includes it.
 *
 * connection.c        its life: opening, time-outs, closing
 * connection_in.c     bytes from the socket to the session
 * connection_out.c    bytes from the session to the socket
 * connection_hooks.c  what the session asks for
 *
 * TLS stands between: what is read from the socket goes into c->tls and its content to the session,
 * and the session's replies go into c->tls and its records to the socket.
 */
#ifndef MXHOOK_SMTP_CONNECTION_PRIVATE_H
#define MXHOOK_SMTP_CONNECTION_PRIVATE_H

#include "connection.h"
#include "proxy.h"
#include "tls.h"

/* Each leads to a later one only. */
enum connection_state {
    CONNECTION_PROXY,    /* the PROXY header is to come: who the client is, is not known yet */
    CONNECTION_OPEN,     /* with implicit TLS, the handshake first */
    CONNECTION_DRAINING, /* the last replies go out, what comes in is thrown away */
    CONNECTION_CLOSED,
};

/* Of an open connection: may its client talk SMTP? */
enum greeting {
    GREETING_TO_COME, /* after the TLS handshake */
    GREETING_PAUSE,   /* access.greeting_pause: who talks now is refused */
    GREETING_DONE,
};

struct connection {
    struct connections *owner; /* NULL once it has left the list */
    struct connection *next, *previous;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe; /* a Unix-domain socket */
    } socket;
    uv_timer_t timer;
    uv_shutdown_t shutdown;
    unsigned open_handles;
    struct session *session;
    struct config *config; /* the session's */
    struct tls *tls;       /* NULL: in the clear */
    bool tls_started;      /* the session knows */
    enum connection_state state;
    enum greeting greeting;
    struct proxy_reader *proxy; /* of the PROXY header; NULL: none is to come, or it is read */
    bool using_input;           /* inside session_input(): an answer need not set things going */
    bool verifying;             /* its password is with a thread: the answer will come */
    bool wrong_password;        /* and the client is told once the timer says so */
    unsigned wrong_passwords;
    bool submitted;     /* its message is with submit(): the answer will come */
    bool end_of_input;  /* the client closed its side */
    bool shutdown_done; /* all replies are out, and our side is closed */
    bool aborted;       /* leaves the list without waiting for the answer */
    char *rest;         /* input that must wait; NULL: none. Reading is paused while there is */
    size_t rest_at, rest_size;
    uint64_t drain_ms;         /* for the last replies to go out */
    uint64_t message_due;      /* of the loop's clock: by then a message must be complete */
    const char *reason;        /* why it ends, for the log */
    struct ip_address address; /* the client's */
    bool counted;              /* by the limits, until it leaves the list */
    char id[ID_SIZE];
};

/* ---- connection.c ---- */

/* Greets, at once or after a pause: the client may talk SMTP. */
void connection_greet(struct connection *c);
/* It talked in that pause. */
void connection_refuse_early_talker(struct connection *c, size_t size);

/* The PROXY header is read; or there is none, and it is closed without a word. */
void connection_know_client(struct connection *c, const struct proxy_client *client);
void connection_refuse_proxy(struct connection *c, const char *reason);

/* The client is the one at this address, or at an unknown one (NULL): see access_enter(). Leaves
 * the limits of the one before. */
const struct refusal *connection_enter(struct connection *c, const struct ip_address *address);

/* From now on smtp.message_timeout counts. */
void connection_await_message(struct connection *c);
/* Starts the timer for what the client has to do next. */
void connection_set_timer(struct connection *c);
/* The client is told after a while. */
void connection_password_is_wrong(struct connection *c);

/* The last replies go out, then it is closed. */
void connection_drain(struct connection *c, const char *reason);
void connection_close(struct connection *c, const char *reason);
/* Once its handles are closed and nothing is awaited. */
void connection_free_if_over(struct connection *c);

/* ---- connection_in.c ---- */

/* Uses the input that waits as far as it may, then reads on or pauses. Called after whatever may
 * have changed that. */
void connection_advance(struct connection *c);
/* Reads on, to see the client close. */
void connection_read(struct connection *c);

/* ---- connection_out.c ---- */

/* Bytes that wait to be sent. */
size_t connection_write_queue(const struct connection *c);
/* Content, through TLS where it is on. 0 or a negative errno. */
int connection_write(struct connection *c, const char *bytes, size_t size);
/* What TLS itself has to say. 0 or a negative errno. */
int connection_write_tls_output(struct connection *c);

/* ---- connection_hooks.c ---- */

/* NULL: no memory. */
struct session *connection_make_session(struct connection *c, const struct connections *connections,
                                        const char *ip);

#endif
