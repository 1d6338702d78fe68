/*
 * sockets.h - the sockets that listen, made before the process drops its privileges.
 *
 * inherited: given by the process that started this one (systemd's socket activation), bound and
 * perhaps listening already. Clients that connect to one wait in the kernel's queue while no mxhook
 * runs, so a restart refuses nobody.
 */
#ifndef MXHOOK_SMTP_SOCKETS_H
#define MXHOOK_SMTP_SOCKETS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../config/config.h"
#include "../base/error.h"

#define SOCKET_ADDRESS_SIZE 120

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
};

struct listen_socket {
    int fd; /* -1: none, or taken over */
    bool inherited;
};

/* Sets sockets[i], for each of the addresses, to the inherited socket of that address or, where
 * there is none, to a new one that is bound. None of them listens by this; they do not block, and
 * are closed on exec. Takes over the inherited: one for which there is no address is an error,
 * since its clients would wait for ever. Where the kernel has no IPv6, [::] gets none, with a
 * warning in the log: it stands in the defaults. A Unix-domain socket's file that nobody listens on any
 * more is replaced; everybody may connect whom its folder lets in, or only its owner and group
 * (own_group). On error all are closed, a negative errno is returned, and `err` names the address. Any
 * thread. */
int sockets_open(const struct listen_address *addresses, size_t address_count, const int *inherited,
                 size_t inherited_count, struct listen_socket *sockets, struct error *err);

/* Closes those that are not -1. */
void sockets_close(struct listen_socket *sockets, size_t count);

/* Is it the path of a Unix-domain socket? */
bool socket_is_unix(const struct listen_address *address);
/* Is it [::], each IPv6 address that the machine has, where its kernel has no IPv6? */
bool socket_is_of_nothing(const struct listen_address *address);
/* Removes a Unix-domain socket's file, where there is one and it may. */
void socket_unlink(const struct listen_address *address);

/* The port that it is bound to (0: a Unix-domain socket), or a negative errno. */
int socket_port(int fd);

/* "127.0.0.1:25", "[::]:25", "unix:/path": as the configuration writes it. */
void socket_format_address(const struct listen_address *address, int port,
                           char text[SOCKET_ADDRESS_SIZE]);

#endif
