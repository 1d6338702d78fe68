/*
 * embedded.h - the Lua modules of lua/, built into the binary, so that it runs from anywhere.
 */
#ifndef MXHOOK_EMBEDDED_H
#define MXHOOK_EMBEDDED_H

#include <stddef.h>

struct lua_State;

struct embedded_module {
    const char *name; /* "mxhook.route" */
    const unsigned char *bytes;
    size_t size;
};

extern const struct embedded_module embedded_modules[]; /* ends with a NULL name */

/* Pushes the module's chunk, not yet called; false (nothing pushed) where there is none of that name,
 * or an error message and a Lua error where it does not compile. The state's thread. */
int embedded_load(struct lua_State *L, const char *name);

#endif
