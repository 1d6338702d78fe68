/*
 * check.h - what this room's files share: the room, and one check on its way through it.
 *
 * auth.c        the room's life, and its contract with the other threads
 * check.c       a check on this room's thread: asking, waiting, going on
 * conclusion.c  a check on a worker, when everything is known
 */
#ifndef MXHOOK_AUTH_CHECK_H
#define MXHOOK_AUTH_CHECK_H

#include <stdatomic.h>
#include <uv.h>

#include "../dns/dns.h"
#include "../base/task.h"
#include "auth.h"
#include "author.h"
#include "dnsbl_monitor.h"
#include "head.h"
#include "lookups.h"

struct auth {
    uv_thread_t thread;
    uv_loop_t loop;
    struct loop_queue *queue;
    struct dns *dns;
    struct dnsbl_monitor *dnsbl_monitor;
    struct signatures *signatures;
    struct dmarc *dmarc;
    uv_timer_t sweep;
    struct auth_check *waiting; /* those that wait for DNS */
    struct task stop;
};

/* A blocklist that is asked. */
struct dnsbl_query {
    struct dnsbl_result result; /* its zone and what to do stand here from the beginning */
    bool done;
};

struct auth_check {
    struct task begin, finish;
    atomic_uint references; /* who began it, and this room's thread while it works */
    struct auth *auth;
    bool spf_on, dkim_on, dmarc_on, reverse_name_on;
    bool envelope_on; /* something is asked before the message is there */
    int64_t timeout_ms;
    struct arena *arena; /* the strings here */
    const char *hostname, *client_ip, *helo, *sender;
    unsigned char address[16]; /* the client's */
    size_t address_size;       /* 4, 16; 0: it has none */

    /* This room's thread's, until done(); then the worker's. */
    struct lookups lookups;
    size_t asked; /* look-ups that were handed to DNS */
    struct pending *pending;
    int64_t deadline_ms;             /* monotonic */
    bool late;                       /* time is up: what is not known has failed */
    struct auth_check *next, **link; /* in auth->waiting */
    struct arena *spf_arena;
    struct spf_result spf;
    bool spf_done;
    struct iprev_result iprev;
    bool iprev_done;
    _Atomic(const char *) client_name; /* of it, once it is done: for the other threads */
    struct dnsbl_query *dnsbl;
    size_t dnsbl_count;
    bool finishing; /* the message is there */
    const struct spill *data;
    struct head head;
    struct author author;
    int error; /* of reading the message */
    void (*done)(void *context);
    void *context;
};

/* Drops a reference. Any thread. */
void check_unref(struct auth_check *check);

/* The tasks that auth.c hands to this room's thread. */
void check_run_begin(struct task *task, void *context);
void check_run_finish(struct task *task, void *context);

/* Ends all waiting, when the room closes: no check is told. This room's thread. */
void check_drop_all(struct auth *auth);

#endif
