/*
 * origin.h - what deliveries are counted and limited by: scheme, host and port (RFC 6454). E-mail
 * counts by the smarthost, "smtp://relay.example:25"; without one by its domain, "mx:example.net".
 */
#ifndef MXHOOK_SPOOL_ORIGIN_H
#define MXHOOK_SPOOL_ORIGIN_H

#include <stddef.h>
#include <stdint.h>

#define ORIGIN_SIZE 300 /* bytes that hold any origin and its NUL: a host name has at most 253 */

/* Writes the URL's origin in lower case, its port always there: "https://a.example:443". What has
 * no scheme and host (an address) is its own origin, cut where it is too long. Any thread. */
void origin_of(const char *url, char origin[ORIGIN_SIZE]);

/* A number that stands for the URL's origin, in memory and in the spool: it never changes from one
 * version of mxhook to the next. Two origins may share one, which does no harm: they then share
 * their limits. Any thread. */
uint64_t origin_key(const char *url);

#endif
