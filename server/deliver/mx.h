/*
 * mx.h - which servers take a domain's mail (RFC 5321 section 5.1).
 *
 * host         a name that an MX record gives, or the domain itself where it has none
 * target       one address of a host: what can be connected to
 *
 * Hosts stand in the order of preference, equal ones shuffled; what names this server, and all that
 * is not preferred to it, is left out, since mail would come back. Loop's thread.
 */
#ifndef MXHOOK_DELIVER_MX_H
#define MXHOOK_DELIVER_MX_H

#include "../dns/dns.h"

#define MX_HOSTS_MAX   10 /* that are looked up */
#define MX_TARGETS_MAX 10 /* that an attempt may try */

struct mx_host {
    char name[DNS_NAME_MAX + 1];
    unsigned preference;
};

struct mx_target {
    size_t host;
    char address[46]; /* numeric */
};

struct mx {
    struct dns_waiter waiter; /* first */
    struct dns *dns;
    const char *own_name; /* the caller's, until the end */
    struct mx_host hosts[MX_HOSTS_MAX];
    size_t host_count, host; /* host: whose addresses are being asked for */
    enum record_type asked;
    bool failed; /* some question had no answer */
    /* Out. Without a target `error` says why, and `final` that it will be so later as well. */
    struct mx_target targets[MX_TARGETS_MAX];
    size_t target_count;
    bool final;
    char error[200];
    void (*done)(struct mx *mx); /* called once: also from inside mx_find() */
};

/* `mx->done` is set. */
void mx_find(struct mx *mx, struct dns *dns, const char *domain, const char *own_name);
/* done() is not called. Also where nothing was asked. */
void mx_forget(struct mx *mx);

#endif
