/*
 * cli.h - the sub-commands: one file each, that parses its arguments and calls into the rooms.
 *
 * To add one: a file here, its line below, a row in main.c.
 */
#ifndef MXHOOK_CLI_H
#define MXHOOK_CLI_H

#include "../config/config.h"

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* argv[0] is the sub-command's name. Each returns an exit code. */
int cli_check(int argc, char **argv);
int cli_config(int argc, char **argv);
int cli_nodes(int argc, char **argv);
int cli_destination(int argc, char **argv);
int cli_import(int argc, char **argv);
int cli_init(int argc, char **argv);
int cli_payload(int argc, char **argv);
int cli_health(int argc, char **argv);
int cli_history(int argc, char **argv);
int cli_log(int argc, char **argv);
int cli_queue(int argc, char **argv);
int cli_queue_export(const char *config_path, const char *to, bool as_json); /* for cli_queue() */
int cli_reload(int argc, char **argv);
int cli_route(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_test(int argc, char **argv);
int cli_send(int argc, char **argv);
int cli_sink(int argc, char **argv);
int cli_store(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_version(int argc, char **argv);

/* What --config defaults to. */
#define CLI_CONFIG_PATH "/etc/mxhook/mxhook.lua"

/* An option of a sub-command, as a row of a table that ends with an empty one. What is done with
 * its value is one of these; all but `flag` need a value. */
struct cli_option {
    const char *name;      /* of --name */
    char letter;           /* of the short form, or 0 */
    bool *flag;            /* becomes true */
    const char **text;     /* becomes the value, which is argv's */
    int *number, min, max; /* becomes the value, a whole number within the two */
    /* Reads the value: NULL, or what it should be ("a time"). */
    const char *(*read)(void *context, const char *value);
};

#define CLI_CONFIG_OPTION(variable) {.name = "config", .letter = 'c', .text = (variable)}

struct queue;
/* Opens the queue of the configuration's spool and lets act() work on it, which returns 0 or a negative errno, for
 * which `err` may have words. Returns the exit code; stderr then says what is wrong, in the name of `command`. */
int cli_with_queue(const char *command, const char *config_path,
                   int (*act)(struct queue *queue, const struct config *config, void *context,
                              struct error *err),
                   void *context);

/* Both return -1 to go on, else the exit code; stderr then says what is wrong. */

/* Parses the options, and --help, which prints `help` to stdout. Leaves optind at the first
 * operand. `context` is for read(). */
int cli_options(int argc, char **argv, const char *help, const struct cli_option *options,
                void *context);
/* Takes the one operand, which `name` names in the error; NULL: there is to be none. */
int cli_operand(int argc, char **argv, const char *name, const char **value);

/* It has nothing but blanks: of an option, a variable that was not set. */
bool cli_is_blank(const char *value);

/* A time as people write it (when.h), now. False: it is none. */
bool cli_when(const char *text, int64_t *unix_ms);

/* Prints "mxhook COMMAND: line" to stderr for each line of the error. Returns CLI_FAILED. */
int cli_fail(const char *command, const struct error *err);

#endif
