/*
 * dns_answer.h - what DNS said to one question.
 *
 * An answer never changes once made. It is counted: the cache keeps it, and each check that used
 * it.
 */
#ifndef MXHOOK_DNS_DNS_ANSWER_H
#define MXHOOK_DNS_DNS_ANSWER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "name.h"

/* The numbers are those of DNS (RFC 1035 section 3.2.2, RFC 3596). */
enum record_type {
    RECORD_A = 1,
    RECORD_PTR = 12,
    RECORD_MX = 15,
    RECORD_TXT = 16,
    RECORD_AAAA = 28,
};

enum dns_answer_status {
    DNS_RECORDS,
    DNS_NONE,   /* no such name, or nothing of that type */
    DNS_FAILED, /* no answer in time, SERVFAIL, or one that cannot be read */
};

/* A, AAAA: the address's bytes (4, 16). MX, PTR: a name, without the final dot; "." is the root.
 * TXT: its strings joined. A NUL follows. */
struct record {
    size_t size;
    const char *data;
    unsigned preference; /* of an MX: the lowest comes first */
};

struct dns_answer {
    atomic_uint references;
    enum dns_answer_status status;
    uint32_t ttl;  /* seconds */
    size_t memory; /* bytes that it takes */
    size_t count;
    /* MX: by preference; the order of equal ones, and of other types, is the resolver's. */
    struct record records[];
};

/* Reads a DNS message (RFC 1035 section 4); one that cannot be read is DNS_FAILED. NULL: no
 * memory. */
struct dns_answer *dns_answer_parse(enum record_type type, const unsigned char *message,
                                    size_t size);

/* An answer without records. NULL: no memory. */
struct dns_answer *dns_answer_empty(enum dns_answer_status status, uint32_t ttl);

/* One of these records; for what stands in no message. NULL: no memory. */
struct dns_answer *dns_answer_make(const struct record *records, size_t count, uint32_t ttl);

struct dns_answer *dns_answer_ref(struct dns_answer *answer); /* any thread */
void dns_answer_unref(struct dns_answer *answer);             /* any thread; takes NULL */

#endif
