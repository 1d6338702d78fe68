/* private.h - addresses that are not public. */
#ifndef MXHOOK_DELIVER_PRIVATE_H
#define MXHOOK_DELIVER_PRIVATE_H

#include <stdbool.h>
#include <sys/socket.h>

/* Loopback, private, shared, link-local (metadata services included), multicast, documentation,
 * reserved: what the IANA special-purpose registries (RFC 6890) do not call globally reachable.
 * IPv6 forms of IPv4 addresses (mapped, NAT64, 6to4, Teredo) are judged by what they stand for, or
 * refused. What is neither IPv4 nor IPv6 is private. Any thread. */
bool private_address(const struct sockaddr *address);

#endif
