/*
 * network.h - the listeners with real sockets on 127.0.0.1, and a stub of the server behind them.
 *
 * One thread: each wait runs the loop until what it waits for is there, or patience is over.
 * Clients are plain sockets that do not block.
 */
#ifndef MXHOOK_TESTS_SMTP_NETWORK_H
#define MXHOOK_TESTS_SMTP_NETWORK_H

#include <uv.h>

#include "../test.h"
#include "fixture.h"
#include "smtp/listener.h"
#include "smtp/sockets.h"

#define MAX_PENDING 8
#define MAX_SOCKETS 8

/* What the stub was given to process. */
struct pending {
    struct transaction *transaction;
    void (*done)(void *token, const struct reply *replies, size_t count, uint64_t digest);
    void *token;
};

/* What it was asked about slow...@: the test answers. */
struct question {
    void (*done)(void *token, enum recipient_answer answer);
    void *token;
};

extern struct question questions[MAX_PENDING];
extern size_t question_count;
extern uv_loop_t loop;
extern struct config *config;
extern struct listeners *listeners;
extern int ports[MAX_SOCKETS]; /* of `listeners` */
extern struct pending pending[MAX_PENDING];
extern size_t pending_count;
extern int rules_held, idle_calls;
extern bool answers_inside; /* submit() answers at once */

/* Of our own requests for memory, the one that is so many away fails; -1: none. */
extern int allocations;
extern size_t size_granted;   /* malloc() of this many bytes does not count */
extern size_t most_allocated; /* bytes, in one turn of the loop */

/* Binds and listens, with this configuration; `opened` gets the ports. */
int open_listeners(const struct config *with, const struct listener_hooks *hooks,
                   struct listeners **out, int opened[MAX_SOCKETS], struct error *err);

/* Opens a loop and listeners with the configuration of the dialogues, then these lines. */
void open_all(const char *more);
void close_all(void);
/* The first half of close_all(). The loop can be closed only once every handle is: none leaks. */
void free_listeners(void);

void answer(size_t index);               /* 250 to pending[index] */
struct config *on_config(void *context); /* hooks of the stub */
void on_idle(void *context);

int64_t now_ms(void);
bool turn(int64_t start); /* of the loop; true while there is patience left */
void run_for(int64_t ms);

#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        int64_t wait_start = now_ms();                                                             \
        while (!(condition))                                                                       \
            if (!turn(wait_start))                                                                 \
                fail_msg("waited in vain for " #condition);                                        \
    } while (0)

#define HELLO       "HELO client.test\r\n"
#define TRANSACTION "MAIL FROM:<a@b.test>\r\nRCPT TO:<user@example.com>\r\nDATA\r\n"

#define GREETING    "220 mx.test ESMTP mxhook\r\n"
#define HELLO_REPLY "250 mx.test\r\n"
#define TRANSACTION_REPLY                                                                          \
    "250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
#define BYE "221 2.0.0 mx.test closing\r\n"

int connect_to(size_t listener); /* its index */
void say(int fd, const char *text);
void expect(int fd, const char *text); /* reads exactly this */
void expect_nothing(int fd);
void expect_closed(int fd); /* the end, or a reset; closes fd */
void begin_data(int fd);    /* from the greeting to the 354 */
void reset(int fd);         /* closes it, the hard way */

#endif
