/* rules.h - what the commands that try a message have in common: which rules they ask, reading the
 * message from a file, printing what came out. */
#ifndef MXHOOK_CLI_RULES_H
#define MXHOOK_CLI_RULES_H

#include "../config/config.h"
#include "../rules/ruleset.h"
#include "../scan/result.h"
#include "../base/spill.h"

/* Loads rules, and begins the sources that they may ask: of `directory` with the limits that are the configuration's
 * defaults where it is given, else of the configuration file `path`. *config: what was loaded, the caller's to unref;
 * left as it was where that failed. */
int cli_load_rules(const char *directory, const char *path, struct config **config,
                   struct ruleset **rules, struct error *err);

/* The whole of a file, "-" for standard input. 0, or a negative errno with `err`. */
int cli_read_message(const char *file, struct spill **out, struct error *err);

/* To stdout, and a newline. 0 or a negative errno. */
int cli_print_spill(const struct spill *out);

/* Asks the configured scanner, as the server would for this message, and waits for it. For scan_result_free(). */
struct scan_result *cli_scan(const struct config *config, const struct transaction *transaction);

#endif
