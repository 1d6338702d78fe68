/* check_sockets.h - for check.c: the addresses that systemd's socket holds, and those that the configuration names. */
#ifndef MXHOOK_CLI_CHECK_SOCKETS_H
#define MXHOOK_CLI_CHECK_SOCKETS_H

#include <stdio.h>

#include "../config/config.h"

/* `show` has what `systemctl show --property=Listen mxhook.socket` prints: "Listen=[::]:25 (Stream)", a line an
 * address. Tells on stderr of a socket that neither `listen` nor admin.listen names, with which the service does not
 * start, and warns of a TCP address of `listen` that the socket does not hold, which the service must be able to bind
 * by itself. No address at all: there is no such unit, and nothing is told. CLI_OK or CLI_FAILED. */
int check_sockets(const struct config *config, FILE *show);

#endif
