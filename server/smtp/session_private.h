/*
 * session_private.h - what the files of the session share; nobody else includes it.
 *
 * session_input.c  what comes in, and time-outs
 * command.c        the commands, and the states between them
 * greet.c          the greeting, EHLO and the like
 * envelope.c       MAIL, RCPT, DATA
 * xclient.c        another client, as a trusted one says
 * sasl.c           AUTH: who the client is
 * bdat.c           a message in chunks
 * session_data.c   a message, submitted or refused, and its answer
 * lmtp.c           a reply for each recipient
 * reply.c          what goes back
 * session_life.c   its beginning and end
 *
 * Each uses those below it.
 */
#ifndef MXHOOK_SMTP_SESSION_PRIVATE_H
#define MXHOOK_SMTP_SESSION_PRIVATE_H

#include "data.h"
#include "line.h"
#include "session.h"

/* Which commands are allowed in a state, and where they lead, says the table in command.c. What is
 * set elsewhere: the end of a message leads to WAITING or, where it is refused, to READY, its
 * answer to READY (session_data.c); RCPT to CHECKING and from there to RCPT or back (envelope.c); the end
 * of a chunk to CHUNKS or back (bdat.c); AUTH to SASL, VERIFYING and back to READY (sasl.c); XCLIENT
 * and the end of the handshake to a new beginning (xclient.c, session_life.c); RSET to READY, but for
 * GREETED (command.c); hanging up to CLOSING. */
enum session_state {
    STATE_NONE,      /* of the table of commands: where one leads that leads nowhere */
    STATE_GREETED,   /* no EHLO or HELO yet */
    STATE_READY,     /* no transaction */
    STATE_MAIL,      /* a transaction with a sender */
    STATE_RCPT,      /* and at least one recipient */
    STATE_DATA,      /* its message is coming in */
    STATE_CHUNK,     /* the octets of a BDAT are coming in */
    STATE_CHUNKS,    /* and more BDATs will */
    STATE_HANDSHAKE, /* STARTTLS was answered; what comes in the clear is thrown away */
    STATE_SASL,      /* the client's next line belongs to AUTH */
    STATE_WAITING,   /* the message is with submit(), its answer is to come */
    STATE_VERIFYING, /* a password is with verify() */
    STATE_CHECKING,  /* a recipient is with check_recipient() */
    STATE_DELAYED,   /* as `before_delay`, but the client has to wait */
    STATE_CLOSING,   /* to be closed once the replies are handed to send() */
    STATE_CLOSED,
};

/* Why a message that is still coming in will be refused: the first reason. */
enum data_failure {
    DATA_FINE,
    DATA_TOO_BIG,
    DATA_NO_STORAGE,
    DATA_NO_MEMORY,
};

/* Why a BDAT is refused once its octets are read. */
enum chunk_refusal {
    CHUNK_FINE,
    CHUNK_OUT_OF_SEQUENCE,
    CHUNK_NEEDS_TLS,
};

#define SASL_MAX_OCTETS   255 /* of a name or a password (RFC 4616 section 2) */
#define SASL_MAX_FAILURES 3   /* in one session */

enum sasl_step {
    SASL_PLAIN,      /* all of it is to come */
    SASL_LOGIN_USER, /* the name, then the password */
    SASL_LOGIN_PASSWORD,
};

struct chunk {
    uint64_t size, left; /* octets */
    bool last;
    enum chunk_refusal refusal;
    enum session_state before; /* where a refused one leads back to */
};

/* LMTP: which recipient each accepted RCPT named, by its index in the envelope. */
struct expected {
    size_t *recipients, count;
};

/* What of a client a trusted one may say, as EHLO announces it. */
#define XCLIENT_ATTRIBUTES "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"

#define OUTPUT_SIZE 2048 /* of replies to one piece of input; holds several of the longest */

struct session {
    struct config *config;
    struct session_hooks hooks;
    void *context;
    char *temporary_directory;
    char id[ID_SIZE];
    char client_ip[46];
    char proxy[46]; /* who said that it is that client; "": it connected itself */

    enum session_state state;
    enum listen_tls tls_offer;
    enum listen_auth auth_offer;
    bool auth_in_clear; /* without TLS too */
    bool lmtp;
    bool trusted; /* may say XCLIENT */
    enum sasl_step sasl_step;
    unsigned sasl_failures;
    char *claimed;      /* the user whose password is being checked; NULL: none */
    char *user;         /* authenticated; NULL: not */
    bool tls;           /* inside TLS */
    bool injected;      /* something came in the clear after STARTTLS; logged once */
    bool esmtp;         /* EHLO, not HELO */
    bool shutting_down; /* close after the message that is under way */
    char *helo;         /* NULL before EHLO or HELO */
    unsigned transactions;
    size_t recipients; /* of all transactions */
    char *checked;     /* the recipient whose check is to be answered; NULL: none */
    size_t errors;
    size_t refused_recipients;
    unsigned told_refused; /* of how many hooks.refused was told */
    bool data_refused;     /* it was told of the transaction's message */
    enum session_state before_delay;
    uint64_t progress;

    struct expected expected;        /* of the transaction, until its answer */
    struct transaction *transaction; /* from MAIL to submit(), else NULL */
    char transaction_id[ID_SIZE];    /* of the last one */
    bool smtputf8;                   /* asked for by the last one */

    const char *command;  /* what is being answered, for the log */
    const char *argument; /* of MAIL and RCPT, else "" */

    struct line_reader line;
    struct data_scanner scanner;
    struct chunk chunk;
    enum data_failure data_failure;
    bool binary; /* BODY=BINARYMIME of the last transaction: by BDAT only */

    bool blocked; /* send() wants no more input used now */
    size_t output_size;
    /* OUTPUT_SIZE, while input is being answered; else NULL: most sessions are idle */
    char *output;
};

/* command.c: runs one command line, without its CRLF; the line is changed. */
void session_command(struct session *session, char *line);
/* True: the line, or what was read of it, is one of another protocol (HTTP, TLS, a message's header),
 * and the session over: nothing that follows may be read as commands. */
bool session_refuse_foreign(struct session *session, const char *line);

/* bdat.c: the command, true where its octets are to be read; and those octets, of which it returns
 * how many it used. */
bool session_begin_chunk(struct session *session, const char *argument);
size_t session_read_chunk(struct session *session, const char *bytes, size_t size);

/* sasl.c: the command; then a line of the client's. They set the state themselves. */
bool session_begin_sasl(struct session *session, const char *argument);
void session_sasl_line(struct session *session, char *line);

/* greet.c, envelope.c: the commands of these names; see command.c. */
bool session_run_ehlo(struct session *session, const char *argument);
bool session_run_helo(struct session *session, const char *argument);
bool session_run_lhlo(struct session *session, const char *argument);
bool session_run_starttls(struct session *session, const char *argument);
bool session_run_mail(struct session *session, const char *argument);
bool session_run_rcpt(struct session *session, const char *argument);
bool session_run_data(struct session *session, const char *argument);

/* lmtp.c. False: it is answered. Does nothing in SMTP. */
bool session_expect_reply(struct session *session, size_t recipient);
void session_unexpect_reply(struct session *session); /* the last one */
/* How many there are to be at the end of the message. */
size_t session_replies(const struct session *session);

/* xclient.c: the command. It sets the state itself. */
bool session_change_client(struct session *session, const char *argument);

/* greet.c: 220. */
void session_greet(struct session *session);

/* session_life.c: nothing of a transaction is left in the session. */
void session_forget_transaction(struct session *session);
/* The same, and not by our reply to its data: a message that had begun counts as aborted. */
void session_drop_transaction(struct session *session);

/* session_data.c */
/* A message begins, in the way that the client chose. False: no memory. */
bool session_begin_data(struct session *session);
/* Keeps a piece of it, or notes why not. */
void session_keep_data(struct session *session, const char *bytes, size_t size);
/* It will be refused for that; what was kept of it is freed. */
void session_fail_data(struct session *session, enum data_failure failure);
/* It is whole: refuses it where there was a failure, else submits it. */
void session_end_data(struct session *session);
/* Refuses it, by so many replies, and leaves the transaction, where there was a failure. */
bool session_refuse_data(struct session *session, size_t replies);

/* reply.c. Each makes one reply; `enhanced` is "" where RFC 2034 wants none. */
void session_reply(struct session *session, int code, const char *enhanced, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A line of a reply that others follow. */
void session_reply_more(struct session *session, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Replies and logs. */
void session_refuse(struct session *session, int code, const char *enhanced, const char *format,
                    ...) __attribute__((format(printf, 4, 5)));
/* The same for what could not be read; 421 instead once there were too many of them. */
void session_bad_command(struct session *session, int code, const char *enhanced,
                         const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A recipient was refused: after too many the client has to wait, then to go. */
void session_count_refused(struct session *session);
/* 421 and STATE_CLOSING. */
void session_hang_up(struct session *session, const char *enhanced, const char *why);
/* Hands the replies to send(), then closes if that is the state. The last thing that a function of
 * session.h does. */
void session_flush(struct session *session);

#endif
