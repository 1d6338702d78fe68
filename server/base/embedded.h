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

/* Lets `require` find them, before the file system's: nobody's file may take a module's place. Needs
 * the package library. Raises. The state's thread. */
void embedded_open(struct lua_State *L);

/* Pushes what `require(name)` gives. Raises. */
void embedded_require(struct lua_State *L, const char *name);

#endif
