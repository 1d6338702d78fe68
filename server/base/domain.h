/*
 * domain.h - the two forms of an internationalized domain (IDNA 2008, RFC 5890; mapped as UTS 46
 * asks, so in any case), and the one form by which domains are compared.
 *
 * A-label      as DNS and most servers know it: xn--bcher-kva.example
 * U-label      as people write it: bücher.example, in UTF-8
 *
 * Address literals (RFC 5321 section 4.1.3) have one form too: [192.0.2.1], [ipv6:2001:db8::1].
 * No state; any thread.
 */
#ifndef MXHOOK_DOMAIN_H
#define MXHOOK_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>

#define DOMAIN_SIZE 256 /* RFC 5321 section 4.5.3.1.2, and a NUL */

/* In lower case, with A-labels, without a final dot. Domains that are ASCII already are taken as
 * they are, whatever their labels hold. NULL, or in words why it has no such form. */
const char *domain_to_ascii(const char *domain, char out[DOMAIN_SIZE]);

/* With U-labels; as it is where a label stands for none. */
void domain_to_unicode(const char *domain, char out[DOMAIN_SIZE]);

/* The address with its domain's A-labels, for DNS and for who cannot read others; as it is where the
 * domain is ASCII, or has no such form. False: it does not fit. */
bool domain_address_to_ascii(const char *address, char *out, size_t size);

/* An address by which others are found: in lower case (ASCII only), its domain as above; as it is
 * where that has no such form. False: it does not fit. */
bool domain_fold_address(const char *address, char *out, size_t size);
/* The same with the domain's U-labels, of an address that is folded. */
bool domain_unfold_address(const char *address, char *out, size_t size);

#endif
