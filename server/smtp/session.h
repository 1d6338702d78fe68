/*
 * session.h - the SMTP session (RFC 5321), as a state machine without any I/O.
 *
 * session      what lasts from greeting to QUIT
 * transaction  what lasts from MAIL to the end of DATA; RSET frees it and leaves the session
 * hooks        what the session needs of the world around it
 *
 * Bytes go in by session_input(), cut in any way; replies come out by hooks. So it can be driven by
 * a socket, a test, or a fuzzer.
 *
 * LMTP (RFC 2033) is the same, but for LHLO in place of EHLO, and a reply for each recipient at the
 * end of a message.
 *
 * Where to start: in which states a command is allowed, and where it leads, is its row of the table
 * in command.c; session_private.h lists the states, and where else they change. A new command is a
 * row and a function, a new parameter of MAIL a row in parameter.c, a new keyword of EHLO a line in
 * greet.c's announce(). What is not for others is in session_private.h.
 *
 * Bad commands are those that cannot be read, are not known or not offered, or name an address without a
 * domain (session_bad_command()); one out of sequence, as a pipelining client sends it, is none. A
 * session bears smtp.max_errors of them; the next is answered 421 4.7.0, and the session ends.
 * All functions: one thread at a time.
 */
#ifndef MXHOOK_SMTP_SESSION_H
#define MXHOOK_SMTP_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "../config/config.h"
#include "../transaction.h"

struct session;
struct refusal; /* access.h */

enum recipient_answer {
    RECIPIENT_WAIT, /* the answer comes by session_recipient_checked() */
    RECIPIENT_OK,
    RECIPIENT_BOUNCE,  /* a sender that we have rewritten, as bounces come to: taken from the null
                       * sender only, and alone (RFC 5321 section 4.5.5) */
    RECIPIENT_UNKNOWN, /* only aliases serve its domain, and none matches */
    RECIPIENT_LATER,   /* it cannot be known now */
    RECIPIENT_FORGED, /* it looks like a rewritten sender (deliver/srs.h), but we did not make it */
    RECIPIENT_EXPIRED, /* it is one, of too long ago */
};

enum login_result {
    LOGIN_RIGHT,
    LOGIN_WRONG,
    LOGIN_REFUSED, /* too many failed from there: the password was not looked at */
};

/* A MAIL, a RCPT or a message that was refused for good or for now; all is the session's, and gone after the call. */
struct session_refused {
    /* The transaction's, or where there is none the connection's, "." and a number */
    const char *id;
    const char *client_ip, *helo, *user; /* the last two may be NULL */
    bool tls, lmtp;
    const char *sender;    /* "" where it is the null one, or could not be read */
    const char *recipient; /* of RCPT; NULL: of MAIL, or a message to `envelope`'s recipients */
    const struct envelope *envelope; /* NULL: none */
    const struct reply *reply;
};

struct session_hooks {
    /* Sends bytes to the client; they are copied or sent before it returns. The replies to one
     * piece of input come together, but for very many. False: so much waits to be sent that no more
     * input should be used now (see session_input()). */
    bool (*send)(void *context, const char *bytes, size_t size);
    /* Closes once all is sent. The session makes no call after this one; its owner frees it, but
     * not from inside the hook. */
    void (*close)(void *context);
    /* NULL, or asked at each MAIL that would be accepted: false where the client has had its
     * messages for now. */
    bool (*take_message)(void *context);
    /* NULL, or asked at each MAIL: false where so many messages wait to be processed that no more
     * should begin. */
    bool (*has_room)(void *context);
    /* NULL, or the same for storage: false where a message could not be kept. */
    bool (*has_storage)(void *context);
    /* The rules of a new transaction: a reference, handed over. */
    struct ruleset *(*rules)(void *context);
    void (*release_rules)(struct ruleset *rules); /* any thread: for transaction_new() */
    /* Must not take long: what may, is answered later. */
    enum recipient_answer (*check_recipient)(void *context, struct ruleset *rules,
                                             const char *recipient);
    /* NULL, or told of a new transaction whose MAIL is accepted; it stays the session's. */
    void (*begin)(void *context, struct transaction *transaction);
    /* What the session takes and sends from here on is to be inside TLS; it is told by
     * session_tls_started() when that is so. NULL: STARTTLS is not offered. */
    void (*start_tls)(void *context);
    /* Is this the user's password? Both are copied. session_verified() must be called once, later.
     * NULL: AUTH is not offered. */
    void (*verify)(void *context, const char *user, const char *password);
    /* NULL, or told that the client has lost the right to be answered at once: session_go_on() is to
     * be called later; the replies so far may go out. */
    void (*delay)(void *context);
    /* NULL, or told that the client is at another address, or at an unknown one (""): a trusted one
     * says so. What it is to be told as the last thing; NULL: it may stay. */
    const struct refusal *(*enter)(void *context, const char *client_ip);
    /* NULL, or told of each that gets no further: what submit() has taken is not among them. */
    void (*refused)(void *context, const struct session_refused *refused);
    /* Takes over a complete transaction. session_answer() must be called once, from inside or
     * later. */
    void (*submit)(void *context, struct transaction *transaction);
};

/* Keeps a reference of the config. `client_ip` and the hooks' strings are copied; `context` goes to
 * each hook. `temporary_directory` is where large messages go. Sends nothing yet. NULL: no memory.
 */
struct session *session_new(struct config *config, const struct session_hooks *hooks, void *context,
                            const char *id, const char *client_ip, const char *temporary_directory);
void session_free(struct session *session); /* takes NULL */

/* What the client's listener offers; before session_start(). Without it: SMTP, no TLS. */
void session_set_listener(struct session *session, const struct listen_address *listener);

/* Another client than the one that connected, which becomes the proxy; before session_start(). The
 * string is copied. */
void session_set_client(struct session *session, const char *client_ip);
/* The client may say for whom it speaks (XCLIENT); before session_start(). */
void session_trust(struct session *session);
/* The client's address. */
const char *session_client(const struct session *session);

/* Sends the greeting. */
void session_start(struct session *session);

/* Gives it bytes from the client; returns how many it used. It stops at the end of a message that
 * it submits, and where send() returned false: the rest must be given again, after session_answer()
 * or once the client has read its replies. After close() it uses, and ignores, all. */
size_t session_input(struct session *session, const char *bytes, size_t size);

/* TLS is up: after start_tls(), or before session_start(). The client has to greet again. */
void session_tls_started(struct session *session);

/* The user that verify() was asked about; "": none. */
const char *session_claimed(const struct session *session);

/* The answer to verify(). After a wrong password it should come late, so that guessing is slow. */
void session_verified(struct session *session, enum login_result result);

/* What delay() asked for is over. */
void session_go_on(struct session *session);

/* The answer to check_recipient() that was to come: not RECIPIENT_WAIT. */
void session_recipient_checked(struct session *session, enum recipient_answer answer);

/* The answer to the end of DATA: one reply for all recipients, or (LMTP only) one for each of the
 * transaction's recipients, in their order. */
void session_answer(struct session *session, const struct reply *replies, size_t count);

/* Grows with each line, and with each beginning and end of a message: what the client was to do is
 * done, and the next thing begins. */
uint64_t session_progress(const struct session *session);
/* A message is coming in. */
bool session_is_in_message(const struct session *session);

/* How long the client may be idle now, in ms (RFC 5321 section 4.5.3.2); 0: no limit. */
int64_t session_timeout_ms(const struct session *session);
/* It was idle for that long: 421 and close. */
void session_timed_out(struct session *session);
/* The server stops: 421 and close, at once or after the message that is under way. */
void session_shut_down(struct session *session);

#endif
