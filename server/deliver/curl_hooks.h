/*
 * curl_hooks.h - the callbacks of libcurl's that its HTTP and its SMTP need alike: the body that
 * goes out, and the sockets that are opened for it.
 *
 * Whichever thread has the transfer.
 */
#ifndef MXHOOK_DELIVER_CURL_HOOKS_H
#define MXHOOK_DELIVER_CURL_HOOKS_H

#include <curl/curl.h>

#include "../spool/spool.h"

struct body_out {
    const struct payload *payload;
    uint64_t offset; /* how much of it is read */
    int error;       /* a negative errno, where it could not be */
};

/* CURLOPT_READFUNCTION; CURLOPT_READDATA is the body. */
size_t body_out_read(char *buffer, size_t size, size_t count, void *body);

struct sockets_out {
    bool deny_private; /* opens none to an address that is not public (private.h) */
    int opened, denied;
    int error; /* errno of the last one that could not be made */
};

/* CURLOPT_OPENSOCKETFUNCTION; CURLOPT_OPENSOCKETDATA is the sockets. Here the address is known that
 * is really connected to, whatever a name resolved to before. */
curl_socket_t sockets_out_open(void *sockets, curlsocktype purpose, struct curl_sockaddr *address);
/* Whether a connection to this address, in text, may carry a request: it may have been made before
 * addresses were denied. Counts as denied if not. */
bool sockets_out_may_use(struct sockets_out *sockets, const char *address);
/* No address that was tried is public. */
bool sockets_out_are_denied(const struct sockets_out *sockets);
/* Memory or descriptors are short here: also by `rc`, the end of the transfer. */
bool sockets_out_are_starved(const struct sockets_out *sockets, CURLcode rc);

#endif
