/*
 * load.h - the load generator of scripts/bench: one thread that holds many SMTP sessions (epoll).
 *
 * load.c reads the options, runs the loop and prints what came of it; session.c speaks SMTP. Each message has a
 * number, and a Message-ID BENCH-RUN-NUMBER@bench.example that the receiver finds in what is posted (receiver.c).
 */
#ifndef MX_BENCH_LOAD_H
#define MX_BENCH_LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>

enum load_tls { LOAD_PLAIN, LOAD_STARTTLS, LOAD_IMPLICIT };

/* A message as DATA has it: lines end in CRLF, dots are doubled, the final dot is there. */
struct load_mail {
    char *text;
    size_t size;
};

/* A message that waits to be sent again. */
struct load_retry {
    long number;
    double due; /* load_now() */
};

#define LOAD_PORTS 16

struct load {
    const char *host, *sender, *recipient;
    int ports[LOAD_PORTS], port_count;   /* connections go to them in turns */
    int sessions, per_session, retry_ms; /* retry_ms: -1 never */
    long messages;
    double deadline; /* seconds for all */
    unsigned run;
    bool pipelining;
    enum load_tls tls;
    struct load_mail *mails; /* they take turns */
    size_t mail_count;
    FILE *acknowledged; /* a line for each number that was answered 250, or NULL */

    unsigned next_port;
    int epoll;
    SSL_CTX *ssl;
    long next;                  /* the first number that nobody has taken yet */
    struct load_retry *retries; /* room for all messages */
    long retry_count;
    /* Seconds from MAIL to the reply to the end of DATA, of each that was taken */
    double *latencies;
    long taken, failed, connections;
    char last_error[256]; /* the last reply that was no 2xx or 3xx, or why a connection ended */
};

struct session;

/* Seconds, of a clock that only goes forward. */
double load_now(void);

/* The number of a message to send now, or -1. */
long load_take(struct load *load);

/* A message was answered 250 after so many seconds. */
void load_acknowledge(struct load *load, long number, double seconds);

/* A message was not taken: it is sent again later, or given up where nothing is sent again or `permanent`. */
void load_fail(struct load *load, long number, bool permanent);

/* Sessions that connect in session_run(), send their messages, and connect anew while messages are left. */
struct session *sessions_new(struct load *load);
void sessions_free(struct session *sessions, struct load *load);

/* What epoll reported of a session, by its pointer. */
void session_ready(struct session *session, unsigned events);

/* Connects what is due. False where no session is open and none will be. */
bool sessions_run(struct session *sessions, struct load *load);

#endif
