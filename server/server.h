/*
 * server.h - the running server: the parts joined, reload, and stop.
 */
#ifndef MXHOOK_SERVER_H
#define MXHOOK_SERVER_H

/* Runs until SIGTERM or SIGINT; SIGHUP reloads. Logs what goes wrong. Returns the exit code: 0 after
 * a clean stop, 1 where it could not start. A second SIGTERM ends the process at once with 1. */
int server_run(const char *config_path);

#endif
