/*
 * answer.h - what DNS said to one question.
 *
 * An answer never changes once made. It is counted: the cache keeps it, and each check that used
 * it.
 */
#ifndef MXHOOK_DNS_ANSWER_H
#define MXHOOK_DNS_ANSWER_H

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

enum answer_status {
    ANSWER_RECORDS,
    ANSWER_NONE,   /* no such name, or nothing of that type */
    ANSWER_FAILED, /* no answer in time, SERVFAIL, or one that cannot be read */
};

/* A, AAAA: the address's bytes (4, 16). MX, PTR: a name, without the final dot; "." is the root.
 * TXT: its strings joined. A NUL follows. */
struct record {
    size_t size;
    const char *data;
    unsigned preference; /* of an MX: the lowest comes first */
};

struct answer {
    atomic_uint references;
    enum answer_status status;
    uint32_t ttl;  /* seconds */
    size_t memory; /* bytes that it takes */
    size_t count;
    /* MX: by preference; the order of equal ones, and of other types, is the resolver's. */
    struct record records[];
};

/* Reads a DNS message (RFC 1035 section 4); one that cannot be read is ANSWER_FAILED. NULL: no
 * memory. */
struct answer *answer_parse(enum record_type type, const unsigned char *message, size_t size);

/* An answer without records. NULL: no memory. */
struct answer *answer_empty(enum answer_status status, uint32_t ttl);

/* One of these records; for what stands in no message. NULL: no memory. */
struct answer *answer_make(const struct record *records, size_t count, uint32_t ttl);

struct answer *answer_ref(struct answer *answer); /* any thread */
void answer_unref(struct answer *answer);         /* any thread; takes NULL */

#endif
