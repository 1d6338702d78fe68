/*
 * check_unit.h - for check.c: what mxhook.service, as systemd knows it, lets the server reach.
 *
 * A folder that the user mxhook may write to may still be read-only to the service (ProtectSystem=), or not be seen by it
 * at all (ProtectHome=); and a service that has a user cannot become another. One thread.
 */
#ifndef MXHOOK_CLI_CHECK_UNIT_H
#define MXHOOK_CLI_CHECK_UNIT_H

#include <stdio.h>

#include "../config/config.h"

#define CHECK_UNIT_FOLDERS_SIZE 4096

struct service_unit {
    char user[64]; /* "": the manager's own, root */
    char protect_system[16],
        protect_home[16]; /* "no", "yes", "full", "strict"; "read-only", "tmpfs" */
    bool private_tmp;     /* /tmp and /var/tmp go when it stops */
    char writable[CHECK_UNIT_FOLDERS_SIZE]; /* folders, a blank after each */
    char visible[CHECK_UNIT_FOLDERS_SIZE];  /* the same, though they may lie in a home */
};

/* The properties that are wanted of `systemctl show`, by comma. */
#define CHECK_UNIT_PROPERTIES                                                                      \
    "User,ProtectSystem,ProtectHome,PrivateTmp,StateDirectory,RuntimeDirectory,CacheDirectory,"    \
    "LogsDirectory,ReadWritePaths,BindPaths,BindReadOnlyPaths"

/* `show` has what `systemctl show --property=... mxhook.service` prints: "User=mxhook", a line each. Where there is no such
 * unit, or no systemd, the outcome forbids nothing. */
void check_unit_read(FILE *show, struct service_unit *unit);

/* systemd makes this folder before it starts the service, or it is within one that is made so or may be written to. */
bool check_unit_grants(const struct service_unit *unit, const char *path);

/* Tells on stderr what the configuration names that the service cannot reach, each with what to do. CLI_OK or CLI_FAILED. */
int check_unit(const struct config *config, const struct service_unit *unit);

#endif
