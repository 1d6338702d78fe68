/*
 * session.h - the SMTP session (RFC 5321), as a state machine without any I/O.
 *
 * session      what lasts from greeting to QUIT
 * transaction  what lasts from MAIL to the end of DATA; RSET frees it and leaves the session
 * hooks        what the session needs of the world around it
 *
 * Bytes go in by session_input(), cut in any way; replies come out by hooks. So it can be driven by
 * a socket, a test, or a fuzzer. To add a command: a row in command.c's table, and its function here.
 */
#ifndef MXHOOK_SMTP_SESSION_H
#define MXHOOK_SMTP_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "../config.h"
#include "../transaction.h"

struct session;

enum recipient_answer {
    RECIPIENT_OK,
    RECIPIENT_UNKNOWN, /* only aliases serve its domain, and none matches */
};

struct session_hooks {
    /* Sends bytes to the client; they are copied or sent before it returns. */
    void (*send)(void *context, const char *bytes, size_t size);
    /* Closes once all is sent. The session makes no call after this one; its owner frees it, but not
     * from inside the hook. */
    void (*close)(void *context);
    /* The rules of a new transaction: a reference, handed over. */
    struct ruleset *(*rules)(void *context);
    void (*release_rules)(struct ruleset *rules); /* any thread: for transaction_new() */
    enum recipient_answer (*check_recipient)(void *context, struct ruleset *rules,
                                             const char *recipient);
    /* Takes over a complete transaction. session_answer() must be called once, later. */
    void (*submit)(void *context, struct transaction *transaction);
};

/* Keeps a reference of the config. `client_ip` and the hooks' strings are copied; `context` goes to
 * each hook. `temporary_directory` is where large messages go. Sends nothing yet. NULL: no memory. */
struct session *session_new(struct config *config, const struct session_hooks *hooks, void *context,
                            const char *id, const char *client_ip,
                            const char *temporary_directory);
void session_free(struct session *session); /* takes NULL */

/* Sends the greeting. */
void session_start(struct session *session);

/* Gives it bytes from the client. It uses them up to the end of a message that it submits: returns how
 * many it used. The rest must be given again after session_answer(). */
size_t session_input(struct session *session, const char *bytes, size_t size);

/* True from submit() until session_answer(): reading from the client should pause. */
bool session_is_waiting(const struct session *session);

/* The answer to the end of DATA. */
void session_answer(struct session *session, const struct reply *reply);

/* How long the client may be silent now, in ms (RFC 5321 section 4.5.3.2); 0: no limit. */
int64_t session_timeout_ms(const struct session *session);
/* It was silent for that long: 421 and close. */
void session_timed_out(struct session *session);
/* The server stops: 421 and close, at once or after the message that is under way. */
void session_shut_down(struct session *session);

#endif
