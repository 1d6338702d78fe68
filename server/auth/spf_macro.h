/*
 * spf_macro.h - SPF's macros expanded (RFC 7208 section 7).
 */
#ifndef MXHOOK_AUTH_SPF_MACRO_H
#define MXHOOK_AUTH_SPF_MACRO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPF_EXPANDED_MAX 1024 /* bytes, before a name is shortened to DNS_NAME_MAX */

struct spf_macros {
    const char *local, *sender_domain; /* of the identity that is checked */
    const char *helo, *receiver;
    const char *domain; /* of the record that the macro stands in */
    bool ipv6;
    unsigned char address[16]; /* the client's; IPv4: the first four bytes */
    int64_t now;               /* Unix time */
    /* The client's validated name for %{p}; 0 and *out, or a negative errno, handed through. */
    int (*client_name)(void *context, const char *domain, const char **out);
    void *context;
};

/* Expands a text that spf_record.h found valid; *out is NUL-terminated. 0; -E2BIG where it becomes
 * too long; or what client_name() said. */
int spf_expand(const struct spf_macros *macros, const char *text, size_t size,
               char out[SPF_EXPANDED_MAX + 1]);

/* The same for a name to look up: labels are taken off its left until it fits (section 7.3). */
int spf_expand_name(const struct spf_macros *macros, const char *text, size_t size,
                    char out[SPF_EXPANDED_MAX + 1]);

#endif
