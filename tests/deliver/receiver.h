/*
 * receiver.h - an HTTP receiver inside a test: threads with plain sockets on 127.0.0.1 or ::1,
 * which answer as they are told and keep what they got.
 */
#ifndef MXHOOK_TESTS_DELIVER_RECEIVER_H
#define MXHOOK_TESTS_DELIVER_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>

#define RECEIVER_MAX 4096 /* requests that are kept */

struct answer {
    const char *bytes;  /* the whole response as it goes out */
    int delay_ms;       /* before it does */
    size_t read_only;   /* reads so much of the body, then goes on; 0: all of it */
    bool close;         /* closes the connection afterwards */
    bool reset;         /* or so, once the answer was read: with a reset */
    const char *repeat; /* then this, until the client has had enough */
    int pause_ms;       /* between two of those */
};

struct received {
    char *head; /* request line and headers, as they came, without the empty line */
    char *body;
    size_t size;
    int connection; /* 1 for the first one */
    char from[48];  /* the client's address */
    long long at_ms;
};

struct receiver;

/* Request N gets answers[N], those after the last one get the last. */
struct receiver *receiver_start(const struct answer *answers, size_t count);
struct receiver *receiver_start6(const struct answer *answers, size_t count); /* NULL: no IPv6 */
void receiver_stop(struct receiver *receiver); /* breaks off, joins, frees; takes NULL */
int receiver_port(const struct receiver *receiver);
size_t receiver_count(struct receiver *receiver); /* requests so far */
int receiver_connections(struct receiver *receiver);
int receiver_most_at_once(struct receiver *receiver); /* requests under way */
const struct received *receiver_request(struct receiver *receiver, size_t index);
/* A socket on the loopback address of this family; *port 0: the kernel's choice, told. -1: none. */
int receiver_bind(int family, int *port);
/* The value of a request header in a buffer of the caller's; NULL: there is none. */
const char *received_header(const struct received *received, const char *name, char value[512]);

#endif
