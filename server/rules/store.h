/*
 * store.h - what rules remember from message to message: mxhook.store.
 *
 * entry        a value (string or number) under a key (string), until it expires
 * store        all entries of the process: shared by every worker, and kept over reloads; not over
 * a restart
 *
 * Bounded: past STORE_MAX_BYTES the entry that was not used for longest goes. Every function may be
 * called by any thread.
 */
#ifndef MXHOOK_RULES_STORE_H
#define MXHOOK_RULES_STORE_H

#include <lua.h>
#include <stddef.h>

#define STORE_MAX_BYTES 16777216 /* of keys, values and their bookkeeping */
#define STORE_MAX_KEY   1024
#define STORE_MAX_VALUE 65536

/* Pushes a table {get, set, add, delete} of functions. */
int rules_store_open(lua_State *L);

/* For tests. */
void rules_store_clear(void);
size_t rules_store_bytes(void);

#endif
