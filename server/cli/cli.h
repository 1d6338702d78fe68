/*
 * cli.h - the sub-commands: one file each, that parses its arguments and calls into the rooms.
 *
 * To add one: a file here, its line below, a row in main.c.
 */
#ifndef MXHOOK_CLI_H
#define MXHOOK_CLI_H

#include "../config.h"

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* argv[0] is the sub-command's name. Each returns an exit code. */
int cli_check(int argc, char **argv);
int cli_config(int argc, char **argv);
int cli_payload(int argc, char **argv);
int cli_queue(int argc, char **argv);
int cli_route(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_test(int argc, char **argv);
int cli_send(int argc, char **argv);
int cli_sink(int argc, char **argv);
int cli_version(int argc, char **argv);

/* What --config defaults to. */
#define CLI_CONFIG_PATH "/etc/mxhook/mxhook.lua"

/* Parses the options that every command has: --config FILE (where `config` is not NULL), --help,
 * which prints `help` to stdout. Returns -1 to go on, with optind at the first operand; else the
 * exit code. */
int cli_options(int argc, char **argv, const char *help, const char **config);

/* Prints "mxhook COMMAND: line" to stderr for each line of the error. Returns CLI_FAILED. */
int cli_fail(const char *command, const struct error *err);

#endif
