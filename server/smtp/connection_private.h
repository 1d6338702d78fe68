/*
 * connection_private.h - what the files of a connection share; nobody else includes it.
 *
 * connection_open.c     its beginning
 * connection_hooks.c    what the session asks for
 * connection_act.c      what it does, by what it waits for
 * connection_client.c   who the client is, and its greeting
 * connection_close.c    its end
 * connection_receipt.c  has the client read our last reply?
 *
 * Each uses those below it.
 */
#ifndef MXHOOK_SMTP_CONNECTION_PRIVATE_H
#define MXHOOK_SMTP_CONNECTION_PRIVATE_H

#include "connection.h"
#include "proxy.h"
#include "stream.h"

/* What a connection waits for. The hooks of the session set it to what was asked for, and call
 * nothing else that would close or read: connection_act(), which comes after them, does. */
enum wait {
    WAIT_PROXY,     /* the PROXY header: who the client is, is not known yet */
    WAIT_HANDSHAKE, /* implicit TLS; then the greeting */
    WAIT_GREETING,  /* access.greeting_pause: who talks now is refused */
    WAIT_CLIENT,    /* the client's next bytes */
    WAIT_STARTTLS,  /* its handshake after STARTTLS */
    WAIT_READER,    /* the client to read its replies, before more input is used */
    WAIT_CHECK,     /* a recipient of its is looked up */
    WAIT_ANSWER,    /* its message is with submit() */
    WAIT_PASSWORD,  /* its password is with a thread */
    WAIT_PENALTY,   /* the timer: then the client is told that it was wrong */
    WAIT_DELAY,     /* the timer: too many of its recipients were refused */
    WAIT_END,       /* the session is over: what follows is to begin */
    WAIT_DRAIN,     /* the last replies to go out */
    WAIT_LINGER,    /* the client to close */
    WAIT_CLOSED,    /* the loop to close its handles, and what was asked for to be answered */
};

#define CONNECTION_RECEIPTS 100 /* of messages sent one after the other without reading replies */

/* A message that was answered, of which it is not known that the client has the reply. */
struct unconfirmed {
    struct unconfirmed *next;
    struct receipt *receipt;
    uint64_t received; /* by the stream, when it was answered: who says more has read it */
    char id[ID_SIZE];
};

struct connection {
    struct connections *owner; /* NULL once it has left the list */
    struct connection *next, *previous;
    struct stream stream;
    uv_timer_t timer;
    unsigned open_handles;
    struct session *session;
    struct config *config;      /* the session's */
    struct proxy_reader *proxy; /* of the PROXY header; NULL: none is to come, or it is read */
    enum listen_tls tls;        /* the listener's */
    int min_version;            /* the same */
    enum wait wait;
    enum wait timed;  /* what `due` is for */
    uint64_t due;     /* of the loop's clock: when the time is over; UINT64_MAX: never */
    bool acting;      /* inside connection_act() */
    unsigned awaited; /* answers of submit(), check_recipient() and threads that will come */
    unsigned wrong_passwords;
    enum login_result login;                              /* what it is told after the penalty */
    int64_t login_delay_ms;                               /* before that, as guesses.h has it */
    struct unconfirmed *unconfirmed, *newest_unconfirmed; /* the oldest first */
    size_t unconfirmed_count;
    uint64_t resend_key; /* of the message that is with submit(), and its data and id */
    struct spill *data;
    char message_id[ID_SIZE];
    uint64_t progress;         /* the session's, when what the client does now began */
    uint64_t began_ms;         /* of the loop's clock */
    uint64_t octets;           /* that came since */
    bool aborted;              /* leaves the list without waiting for answers */
    bool counted;              /* by the limits, until it leaves the list */
    uint64_t drain_ms;         /* for the last replies to go out */
    uint64_t message_due;      /* of the loop's clock: by then a message must be complete */
    const char *listener;      /* its name */
    const char *reason;        /* why it ends, for the log */
    struct ip_address address; /* the client's */
    char id[ID_SIZE];
};

/* ---- connection_client.c ---- */

/* Waits for the PROXY header where one is to come; else the client is the one at `ip` ("": none): greets. */
void connection_begin(struct connection *c, const char *ip);
/* The PROXY header is read: greets, or turns away. */
void connection_know_client(struct connection *c, const struct proxy_client *client);
/* Greets, at once or after a pause. */
void connection_greet(struct connection *c);
/* Sends it, and ends. */
void connection_turn_away(struct connection *c, const struct refusal *refusal);

/* The client is the one at this address, or at an unknown one (NULL): see access_enter(). Leaves
 * the limits of the one before. */
const struct refusal *connection_enter(struct connection *c, const struct ip_address *address);

/* From now on smtp.message_timeout counts. */
void connection_await_message(struct connection *c);

/* ---- connection_close.c ---- */

/* The last replies are to go out, then it is closed. */
void connection_end(struct connection *c, const char *reason);
/* At once. */
void connection_close(struct connection *c, const char *reason);
/* Once its handles are closed and nothing is awaited. */
void connection_free_if_over(struct connection *c);

/* ---- connection_act.c ---- */

extern const struct stream_upcalls connection_upcalls;

/* Does all that can be done: uses input, reads on or pauses, sets the timer, drains and closes. To
 * be called after whatever may have changed what it waits for; does nothing from inside itself. */
void connection_act(struct connection *c);

/* ---- connection_receipt.c ---- */

/* A message of its goes to submit(): is it a resend? */
void connection_look_for_resend(struct connection *c, struct transaction *transaction);
/* It is answered, as the client is told now; or it is gone, and is not. */
void connection_note_answer(struct connection *c, const struct reply *replies, size_t count,
                            uint64_t digest);
/* The client has said more since: it has the replies before that. */
void connection_confirm(struct connection *c);
/* It closes, or is closed: what is not confirmed is lost, if the client's system has not taken it. */
void connection_lose(struct connection *c);
/* Replies are on their way to a client that has closed its side: a moment tells. */
bool connection_awaits_receipt(const struct connection *c);

/* ---- connection_hooks.c ---- */

/* NULL: no memory. */
struct session *connection_make_session(struct connection *c, const struct connections *connections,
                                        const char *ip);

#endif
