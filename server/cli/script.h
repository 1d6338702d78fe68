/* script.h - sub-commands whose work is done by a Lua module of lua/mxhook/cli/: text in, files out. */
#ifndef MXHOOK_CLI_SCRIPT_H
#define MXHOOK_CLI_SCRIPT_H

/* A named argument; the last of a list has no name. */
struct script_argument {
    const char *name, *value; /* NULL: not given */
};

/* Runs `run(arguments, make_folder)` of mxhook.cli.COMMAND, in a state with every standard library and cjson. An exit
 * code: what it returns, or CLI_FAILED and the error on stderr where it raises. */
int script_run(const char *command, const struct script_argument *arguments);

#endif
