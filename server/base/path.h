/*
 * path.h - reverse-paths and forward-paths (RFC 5321 section 4.1.2, RFC 6531 section 3.3).
 *
 * path         "<" [source route ":"] mailbox ">"; the route is checked and ignored
 * mailbox      local-part "@" domain or address literal
 *
 * Let through beyond the grammar, as mail in use holds it: "_" in domain labels, and a local-part
 * of more than 64 octets (the path's limit of 256 holds).
 */
#ifndef MXHOOK_PATH_H
#define MXHOOK_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define PATH_MAX_OCTETS   256 /* RFC 5321 section 4.5.3.1.3, "<" and ">" included */
#define DOMAIN_MAX_OCTETS 255 /* section 4.5.3.1.2 */
#define LABEL_MAX_OCTETS  63  /* RFC 1035 section 2.3.4 */

enum path_kind {
    PATH_REVERSE, /* may be the null one, "<>" */
    PATH_FORWARD, /* may be "<postmaster>" without a domain */
};

struct path {
    char address[PATH_MAX_OCTETS + 1]; /* the mailbox as given; "" is the null reverse-path */
    const char *domain;                /* in address, after the "@"; NULL where there is none */
    bool non_ascii;                    /* valid UTF-8, for SMTPUTF8 only */
};

/* Reads a path from the start of `text`. Returns where it ended, or NULL if there is none. */
const char *path_parse(const char *text, enum path_kind kind, struct path *path);

/* The length of the UTF-8 character (RFC 3629) at `text`, which a NUL ends; 0: not one. */
size_t utf8_length(const char *text);

/* All of it is UTF-8. */
bool utf8_valid(const char *text);

#endif
