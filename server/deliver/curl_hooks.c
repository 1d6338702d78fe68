#include "curl_hooks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "private.h"

size_t body_out_read(char *buffer, size_t size, size_t count, void *context)
{
    struct body_out *body = context;
    ssize_t n = payload_read(body->payload, body->offset, buffer, size * count);
    if (n < 0) {
        body->error = (int)n;
        return CURL_READFUNC_ABORT;
    }
    body->offset += (uint64_t)n;
    return (size_t)n;
}

curl_socket_t sockets_out_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct sockets_out *sockets = context;
    (void)purpose;
    if (sockets->deny_private && private_address(&address->addr)) {
        sockets->denied++;
        return CURL_SOCKET_BAD;
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        sockets->error = errno;
    else
        sockets->opened++;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

bool sockets_out_may_use(struct sockets_out *sockets, const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    char text[INET6_ADDRSTRLEN];
    if (!sockets->deny_private || !address)
        return true;
    snprintf(text, sizeof text, "%.*s", (int)strcspn(address, "%"), address); /* without its zone */
    bool is4 = inet_pton(AF_INET, text, &in.sin_addr) == 1;
    bool is6 = !is4 && inet_pton(AF_INET6, text, &in6.sin6_addr) == 1;
    if ((is4 && !private_address((struct sockaddr *)&in)) ||
        (is6 && !private_address((struct sockaddr *)&in6)))
        return true;
    sockets->denied++;
    return false;
}

bool sockets_out_are_denied(const struct sockets_out *sockets)
{
    return sockets->denied > 0 && sockets->opened == 0;
}

bool sockets_out_are_starved(const struct sockets_out *sockets, CURLcode rc)
{
    return rc == CURLE_OUT_OF_MEMORY || sockets->error == EMFILE || sockets->error == ENFILE ||
           sockets->error == ENOBUFS || sockets->error == ENOMEM;
}
