/*
 * sockets.h - the sockets that listen, made before the process gives up its privileges.
 *
 * inherited: given by the process that started this one (systemd's socket activation), bound and
 * perhaps listening already. Clients that connect to one wait in the kernel's queue while no mxhook
 * runs, so a restart refuses nobody.
 */
#ifndef MXHOOK_SMTP_SOCKETS_H
#define MXHOOK_SMTP_SOCKETS_H

#include "../config.h"
#include "../error.h"

/* Sets fds[i], for each of smtp->listen, to the inherited socket of that address or, where there is
 * none, to a new one that is bound. None of them listens by this; they do not block, and are closed
 * on exec. Takes over the inherited: one for which there is no address is an error, since its
 * clients would wait for ever. On error all are closed, a negative errno is returned, and `err`
 * names the address. Any thread. */
int sockets_open(const struct smtp_config *smtp, const int *inherited, size_t inherited_count,
                 int *fds, struct error *err);

/* Closes those that are not -1. */
void sockets_close(int *fds, size_t count);

/* The port that it is bound to, or a negative errno. */
int socket_port(int fd);

/* "127.0.0.1:25", "[::]:25": as the configuration writes it. */
void socket_format_address(const struct listen_address *address, int port, char text[80]);

#endif
