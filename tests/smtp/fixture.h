/*
 * fixture.h - a session with a test around it instead of a socket, and configurations.
 *
 * The stub of the rules: unknown@DOMAIN is unknown, all others are fine. Nothing is answered at the
 * end of DATA until the test does it, or `answers` is set; in LMTP rejected@, deferred@ and nobody@
 * get answers of their own then.
 */
#ifndef MXHOOK_TESTS_SMTP_FIXTURE_H
#define MXHOOK_TESTS_SMTP_FIXTURE_H

#include "smtp/session.h"

#define MAX_SUBMITTED 16

struct peer {
    struct session *session;
    char *replies; /* all that was sent so far, NUL-terminated */
    size_t replies_size;
    size_t sends;
    bool closed;
    char entered[46];    /* the client that XCLIENT named last; denied.. are refused */
    bool slow;           /* send() returns false */
    bool no_rules;       /* rules() returns NULL */
    bool answers;        /* peer_play() answers 250 2.0.0 OK by itself */
    bool answers_inside; /* the same, but submit() does */
    char verified
        [600]; /* "NAME|PASSWORD" that AUTH is to check; the test answers by session_verified() */
    int rules_held;
    struct transaction *submitted[MAX_SUBMITTED];
    size_t submitted_count;
    /* A line for each that hooks.refused was told of: "ID SENDER RECIPIENTS CODE TEXT" */
    char refused[4096];
};

/* The configuration of the dialogues, then these lines of Lua. The caller's to drop. */
struct config *fixture_config(const char *more);

/* A session that greeted. */
void peer_start(struct peer *peer, struct config *config, const char *temporary_directory);
/* The same on this listener (NULL: SMTP), for a client that may say XCLIENT or not. */
void peer_start_on(struct peer *peer, struct config *config, const char *temporary_directory,
                   const struct listen_address *listener, bool trusted);
/* Frees all, and checks that every reference to the rules was dropped. */
void peer_end(struct peer *peer);

/* Gives it all bytes, `step` at a time; answers in between if it `answers`. Returns how many it
 * used: fewer where it waits or blocks. */
size_t peer_play(struct peer *peer, const char *bytes, size_t size, size_t step);
/* The same for a string, in one piece. */
size_t peer_say(struct peer *peer, const char *text);

void peer_answer(struct peer *peer, int code, const char *enhanced, const char *text);

/* Checks, and forgets, all that was sent so far. */
void peer_expect(struct peer *peer, const char *replies);
/* Says this, which it uses whole, and expects that. */
void peer_exchange(struct peer *peer, const char *text, const char *replies);

/* The transaction's data, for the test to free. */
char *fixture_data(const struct transaction *transaction);

#endif
