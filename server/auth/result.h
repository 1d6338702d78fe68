/*
 * result.h - what was found out about who sent a message: plain data.
 *
 * The words are RFC 8601's (section 2.7). Strings live in the arena of the auth_result.
 */
#ifndef MXHOOK_AUTH_RESULT_H
#define MXHOOK_AUTH_RESULT_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/arena.h"

enum auth_code {
    AUTH_NONE,
    AUTH_PASS,
    AUTH_FAIL,
    AUTH_SOFTFAIL,
    AUTH_NEUTRAL,
    AUTH_POLICY,
    AUTH_TEMPERROR,
    AUTH_PERMERROR,
};

const char *auth_code_name(enum auth_code code);              /* "none", "pass", ... */
bool auth_code_parse(const char *name, enum auth_code *code); /* false: no such word */

/* SPF (RFC 7208). */
struct spf_result {
    enum auth_code code;
    const char *domain;      /* whose record counted; "" where there was none to ask for */
    bool helo;               /* the HELO identity, since the sender is null */
    const char *reason;      /* of temperror, permerror, and a none without a look-up; else NULL */
    const char *explanation; /* of a fail, by the domain (section 6.2); NULL. Not to be trusted. */
};

/* One DKIM signature (RFC 6376). */
struct dkim_result {
    enum auth_code code;
    const char *domain, *selector; /* d=, s=; "" where they cannot be read */
    const char *algorithm;         /* a=; "" */
    const char *signature;         /* the first characters of b= (RFC 6008); "" */
    const char *reason;            /* NULL for a pass */
};

/* DMARC (RFC 7489). */
struct dmarc_result {
    enum auth_code code;
    const char *domain; /* of From; "" where there is none */
    /* What the domain asks for: "none", "quarantine", "reject"; NULL: nothing */
    const char *policy;
    const char *reason; /* NULL for pass and fail */
};

/* The client's name, by RFC 8601 section 3 ("iprev"). */
struct iprev_result {
    enum auth_code code; /* none: not looked up */
    const char *name;    /* of a pass: a host's name, in lower case; else NULL */
    const char *reason;  /* NULL for a pass */
};

/* What a DNS blocklist (RFC 5782) says of the client's address. */
struct dnsbl_result {
    const char *zone;
    bool listed;
    bool refuse;              /* the configuration refuses what this one lists */
    const char *const *codes; /* such as "127.0.0.2"; of a listed one, else none */
    size_t code_count;
    const char *reason; /* the list's text, one line of ASCII; NULL. Not to be trusted. */
    const char *error;  /* why nothing is known; NULL */
    bool failed;        /* there is an error: DNS gave no answer */
    bool refused;       /* there is an error: the list gives none */
};

struct auth_result {
    struct arena *arena;
    struct spf_result spf;
    struct dkim_result *dkim; /* in the order of the message; one without a domain where the check
                               * was off or could not be done */
    size_t dkim_count;        /* 0: no signature */
    struct dmarc_result dmarc;
    struct iprev_result iprev;
    struct dnsbl_result *dnsbl; /* one for each list of the configuration, in its order */
    size_t dnsbl_count;
    bool refuse;              /* DMARC failed, and its policy asks to reject now */
    const char *received_spf; /* the fields' values, as they go into the payload */
    const char *authentication_results;
};

struct auth_result *auth_result_new(void);         /* none everywhere; NULL: no memory */
void auth_result_free(struct auth_result *result); /* takes NULL */

#endif
