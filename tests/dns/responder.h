/*
 * responder.h - a name server on the test's own loop, on 127.0.0.1 and a port that the kernel
 * picks.
 */
#ifndef MXHOOK_TESTS_RESPONDER_H
#define MXHOOK_TESTS_RESPONDER_H

#include <uv.h>

#include "config/config.h"

struct responder {
    uv_udp_t socket;
    struct listen_address address;
    struct dns_config config; /* asks this one */
    bool silent;              /* answers nothing but for the root, which the breaker asks */
    bool dead;                /* answers nothing at all */
    unsigned code;            /* RCODE */
    unsigned count;           /* of records in `records` */
    const void *records;      /* the answer section; a name in it may point to offset 12 */
    size_t size;
    unsigned asked;  /* questions so far, the root's not counted, */
    unsigned probes; /* and those */
    unsigned room;   /* for an answer, that the last one allowed by EDNS; 0: it had none */
};

void responder_open(struct responder *responder, uv_loop_t *loop);
/* On another address than 127.0.0.1: ::1. */
void responder_open_at(struct responder *responder, uv_loop_t *loop, const char *host);
void responder_close(struct responder *responder);

#endif
