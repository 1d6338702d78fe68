/*
 * origin.h - what deliveries are counted and limited by: scheme, host and port (RFC 6454). E-mail
 * counts by the smarthost, "smtp://relay.example:25"; without one by its domain, "mx:example.net".
 */
#ifndef MXHOOK_SPOOL_ORIGIN_H
#define MXHOOK_SPOOL_ORIGIN_H

#include <stddef.h>
#include <stdint.h>

#define ORIGIN_SIZE 300  /* bytes that hold any origin and its NUL: a host name has at most 253 */
#define LANE_SIZE   1024 /* bytes that hold a lane's name and its NUL */

/* Writes the URL's origin in lower case, its port always there: "https://a.example:443". What has
 * no scheme and host (an address) is its own origin, cut where it is too long. Any thread. */
void origin_of(const char *url, char origin[ORIGIN_SIZE]);

/* Writes the host of a URL in lower case, or the domain of an e-mail address; "" where it has none. */
void host_of(const char *url, char host[ORIGIN_SIZE]);

/* Writes the name of a URL's lane: the origin, and the path as it is written, cut where it is too
 * long. */
void lane_of(const char *url, char lane[LANE_SIZE]);

/* Numbers that stand for a URL's origin, and for its lane: the origin and the path without query,
 * which is what may be held while the rest of its origin is not. Both are stored, so they
 * never change from one version of mxhook to the next without a migration; they are not negative
 * as an int64_t. Two that share a number share their limits. Any thread. */
uint64_t origin_key(const char *url);
uint64_t lane_key(const char *url);

#endif
