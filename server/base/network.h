/*
 * network.h - IP addresses, and the networks that they are in (CIDR, RFC 4632).
 *
 * All have 16 bytes: IPv4 ones are mapped into IPv6 (::ffff:0:0/96, RFC 4291 section 2.5.5.2), so
 * that parsing, comparing and matching are one for both. ip_address_is_v4() is for limits, whose
 * networks are of another size in each. No state; any thread.
 */
#ifndef MXHOOK_NETWORK_H
#define MXHOOK_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct ip_address {
    unsigned char bytes[16];
};

struct network {
    struct ip_address address; /* no bit set after the prefix */
    unsigned prefix;           /* bits, 0 to 128; those of IPv4 begin at 96 */
};

/* False: another family than IPv4 or IPv6. */
bool ip_address_from(const struct sockaddr *from, struct ip_address *to);
/* Is it a mapped one? */
bool ip_address_is_v4(const struct ip_address *address);
/* 0, or -EINVAL: not one. */
int ip_address_parse(const char *text, struct ip_address *address);
/* The bytes as DNS and SPF have them: four of IPv4 (mapped ones too), or 16. */
size_t ip_address_bytes(const struct ip_address *address, const unsigned char **bytes);
/* IPv4-mapped ones as IPv4. */
void ip_address_format(const struct ip_address *address, char text[46]);

/* "192.0.2.0/24", "2001:db8::/32", or an address alone. 0, or -EINVAL: not one, or a bit is set
 * after the prefix. */
int network_parse(const char *text, struct network *network);
/* The network of `prefix` bits that the address is in. */
struct network network_of(const struct ip_address *address, unsigned prefix);

/* Is the address in it? */
bool network_contains(const struct network *network, const struct ip_address *address);
/* The longest prefix of the networks that contain the address; -1: none does. */
int networks_match(const struct network *networks, size_t count, const struct ip_address *address);

#endif
