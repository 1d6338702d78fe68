/*
 * spf_record.h - an SPF record (RFC 7208 sections 4.6.1, 5, 6), read strictly by its grammar.
 *
 * Nothing here allocates or looks anything up. libspf2 is never given a record as it came from
 * DNS, since its own reader has overrun its buffers more than once (spf.c says more).
 */
#ifndef MXHOOK_AUTH_SPF_RECORD_H
#define MXHOOK_AUTH_SPF_RECORD_H

#include <stdbool.h>
#include <stddef.h>

enum spf_term_kind {
    TERM_ALL,
    TERM_INCLUDE,
    TERM_A,
    TERM_MX,
    TERM_PTR,
    TERM_IP4,
    TERM_IP6,
    TERM_EXISTS,
    TERM_REDIRECT,
    TERM_EXP,
    TERM_OTHER, /* a modifier that nobody knows: ignored (section 6) */
};

struct spf_term {
    enum spf_term_kind kind;
    char qualifier;     /* + - ~ ? */
    const char *domain; /* the domain-spec, macros and all; in the record's text */
    size_t domain_size; /* 0: none */
    unsigned cidr4, cidr6;
    unsigned char address[16]; /* ip4: the first four bytes */
};

/* Is this TXT record an SPF record (section 4.5)? */
bool spf_record_is(const char *text, size_t size);

/* NULL where the whole record follows the grammar; else what does not, as a static text. */
const char *spf_record_error(const char *text, size_t size);

/* Reads the term at *at of a record without errors, and moves *at on; false at the end. Start with
 * *at = 0. */
bool spf_record_next(const char *text, size_t size, size_t *at, struct spf_term *term);

/* Is this an explanation's text (section 6.2)? */
bool spf_explanation_is_valid(const char *text, size_t size);

#endif
