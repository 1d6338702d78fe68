/*
 * proxy.h - the header that a proxy sends before a client's own bytes: HAProxy's PROXY protocol,
 * version 1 (a line of text) and 2 (binary). It tells who the client is.
 *
 * Read as the protocol's description asks: nothing that is not exactly a header passes. Version 2's
 * additional fields (TLV) are skipped, except a checksum (PP2_TYPE_CRC32C), which must be right.
 *
 * A reader belongs to one connection, on one thread.
 */
#ifndef MXHOOK_SMTP_PROXY_H
#define MXHOOK_SMTP_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/network.h"

#define PROXY_V1_OCTETS  107  /* of a line, CRLF included: the longest that there is */
#define PROXY_MAX_OCTETS 4096 /* of a header of version 2, its additional fields included */

struct proxy_client {
    /* False: the proxy speaks for itself, such as for a health check (LOCAL), or cannot say
     * (UNKNOWN, AF_UNSPEC, AF_UNIX, not TCP): the connection's own address holds. */
    bool known;
    struct ip_address address;
    unsigned port;
};

enum proxy_result {
    PROXY_MORE, /* all used, and more must come */
    PROXY_DONE,
    PROXY_BAD, /* not a header; *reason says why */
};

struct proxy_reader;

struct proxy_reader *proxy_reader_new(void);         /* NULL: no memory */
void proxy_reader_free(struct proxy_reader *reader); /* takes NULL */

/* Takes bytes, cut in any way, up to the header's end and none after it; *used says how many. On
 * PROXY_DONE *client is filled. Not to be called again after PROXY_DONE or PROXY_BAD. */
enum proxy_result proxy_take(struct proxy_reader *reader, const char *bytes, size_t size,
                             size_t *used, struct proxy_client *client, const char **reason);

#endif
