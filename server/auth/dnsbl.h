/*
 * dnsbl.h - DNS blocklists (RFC 5782): does this list have the client's address?
 *
 * zone     where a list stands in DNS: the address is looked up under it
 * code     an address in 127.0.0.0/8 that the list answers with; what it means, the list says
 *
 * 127.255.255.0/24 is how lists refuse an answer (too many queries, a public resolver), and an
 * address outside of 127.0.0.0/8 comes from somebody else, such as who bought an abandoned zone:
 * neither counts as listed.
 */
#ifndef MXHOOK_AUTH_DNSBL_H
#define MXHOOK_AUTH_DNSBL_H

#include "lookups.h"
#include "result.h"

#define DNSBL_CODES_MAX  16  /* of one list, that are told */
#define DNSBL_REASON_MAX 255 /* bytes of a list's text, that are told */

/* `size` bytes of address, 4 or 16. 0 and *out, its strings in `arena` but for the zone; -EAGAIN:
 * questions are noted in `lookups`, and `arena` is untouched; or -ENOMEM. */
int dnsbl_check(const char *zone, const unsigned char *address, size_t size,
                struct lookups *lookups, struct arena *arena, struct dnsbl_result *out);

#endif
