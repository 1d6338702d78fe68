/*
 * runner.h - runs *_test.lua files: the Lua side stands in lua/mxhook/test.lua.
 *
 * Tests are their author's own programs, so their Lua state is neither limited nor sandboxed. The
 * rules that they try are.
 */
#ifndef MXHOOK_CLI_RUNNER_H
#define MXHOOK_CLI_RUNNER_H

#include "../config/config.h"
#include "../rules/ruleset.h"

struct runner_options {
    const char *filter; /* NULL: all */
    const char *junit;  /* a file; NULL: none */
    bool tap;
    int64_t timeout_ms;       /* of each test */
    const char *const *paths; /* files, and folders to look through */
    size_t path_count;
};

/* Runs the tests with state 0 of the ruleset and prints to stdout. Returns 0 where all pass, 1
 * where one fails, 2 where there is none; or a negative errno with `err`. */
int runner_run(struct config *config, struct ruleset *ruleset, const struct runner_options *options,
               struct error *err);

#endif
