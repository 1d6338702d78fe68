/*
 * connection.h - one client: a stream, a timer and a session.
 *
 * What it waits for is one enum (connection_private.h), and what follows from that - what is read,
 * which time-out runs, when it ends - one function, connection_act(). At its end the replies still
 * go out, and what comes in is thrown away, so that the client gets the last one and not a reset.
 * It lives on while something that was asked for it (submit(), a password) is to be answered.
 *
 * Loop thread only. Memory of an idle connection: this struct and the session's, under 5 KiB; all
 * connections share one buffer to read into, and only input that must wait is copied.
 */
#ifndef MXHOOK_SMTP_CONNECTION_H
#define MXHOOK_SMTP_CONNECTION_H

#include <sys/socket.h>
#include <uv.h>

#include "access.h"
#include "known_logins.h"
#include "listener.h"
#include "resends.h"
#include "stream.h"

#define CONNECTION_WRITE_LIMIT (16u * 1024u) /* unread replies past which no input is used */
#define CONNECTION_AUTH_MS     1000 /* after a wrong password; twice that after the next, and so on */
#define CONNECTION_DELAY_MS    1000  /* after a refused recipient too many */
#define CONNECTION_GRACE_MS    60000 /* of a message, in which smtp.min_rate does not count */
#define CONNECTION_DRAIN_MS    10000 /* for the last replies to go out, at most */
#define CONNECTION_LINGER_MS   2000  /* then, for the client to close */

struct connection;

/* What the connections of a loop share. */
struct connections {
    uv_loop_t *loop;
    struct listener_hooks hooks;
    void *context; /* of the hooks */
    char *temporary_directory;
    struct limits *limits; /* of the clients' addresses */
    struct guesses *guesses;
    struct known_logins *known_logins;
    struct resends *resends;
    struct connection *first;
    size_t count; /* those in the list: until closed, and answered */
    void (*left)(struct connections *connections); /* one is no more in the list */
    char input[STREAM_READ_SIZE];                  /* the streams' */
};

/* Takes over `fd`, a connected, non-blocking socket, and greets (inside TLS, where that is what the
 * listener offers). 0 or a negative errno; then fd is still the caller's, and *refusal, where it is
 * set, what the client is to be told: -EACCES. `name` is the listener's, for the metrics; it lives as
 * long as the list. */
int connection_open(struct connections *connections, int fd, const struct sockaddr *peer,
                    const struct listen_address *listener, const char *name, struct config *config,
                    const struct refusal **refusal);

/* See session_shut_down(). */
void connections_shut_down(struct connections *connections);

/* Closes them all at once. Those whose message is with submit() leave the list too, and free
 * themselves when its answer comes. The rest leaves when the loop has closed the handles. */
void connections_abort(struct connections *connections);

/* The address without the port, IPv4-mapped ones as IPv4. */
void connection_format_address(const struct sockaddr *address, char text[46]);

#endif
