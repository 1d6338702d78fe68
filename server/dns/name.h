/*
 * name.h - names as DNS is asked for them.
 */
#ifndef MXHOOK_DNS_NAME_H
#define MXHOOK_DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define DNS_NAME_MAX  253 /* bytes of a name in text, without the final dot (RFC 1035 2.3.4) */
#define DNS_LABEL_MAX 63

/* Writes `name` in lower case and without a final dot. False where it is no name that could be
 * asked for: an empty or too long label, too long in all, or bytes that are not printable ASCII.
 * What is UTF-8 becomes its A-labels (base/domain.h). */
bool dns_name(const char *name, char out[DNS_NAME_MAX + 1]);

/* Writes the name that stands for an address under `zone`: the octets of IPv4 (`size` 4), or the
 * nibbles of IPv6 (`size` 16), in reverse order (RFC 1035 section 3.5, RFC 3596 section 2.5, RFC
 * 5782 section 2). False where that is too long for a name. */
bool dns_reverse_name(const unsigned char *address, size_t size, const char *zone,
                      char out[DNS_NAME_MAX + 1]);

#endif
