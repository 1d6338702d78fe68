/*
 * path.h - reverse-paths and forward-paths (RFC 5321 section 4.1.2, RFC 6531 section 3.3): as the
 * RFC has them, and as clients send them.
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
    /* The mailbox as given, with room for a domain to be added; "" is the null reverse-path. */
    char address[PATH_MAX_OCTETS + 1 + DOMAIN_MAX_OCTETS];
    const char *domain; /* in address, after the "@"; NULL where there is none */
    bool non_ascii;     /* valid UTF-8, for SMTPUTF8 only */
    const char *wrong;  /* of path_read(): why there is none, to stand after "address: " */
};

/* Reads a path from the start of `text`. Returns where it ended, or NULL if there is none. */
const char *path_parse(const char *text, enum path_kind kind, struct path *path);

/* The same from what a client wrote after "FROM:" or "TO:", as leniently as Postfix reads it, since
 * printers, controllers and old gateways cannot be changed: blanks around it and inside the
 * brackets, none or too many brackets, a phrase before or inside them (<Bobby <b@x>>), quotes
 * around all of it, dots at the ends of the local part or in a row, a dot after the domain (which
 * is taken off). An address without a domain is read as well: `domain` is NULL. Comments and a
 * second address are not. Returns where the argument ended: at a blank, or the end of the text. */
const char *path_read(const char *text, enum path_kind kind, struct path *path);

/* The length of the UTF-8 character (RFC 3629) at `text`, which a NUL ends; 0: not one. */
size_t utf8_length(const char *text);

/* All of it is UTF-8. */
bool utf8_valid(const char *text);

#endif
