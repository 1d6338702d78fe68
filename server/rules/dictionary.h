/*
 * dictionary.h - what rules remember from message to message: mxhook.store.
 *
 * entry        a value (string or number) under a key (string), until it expires
 * dictionary   all entries of the process: shared by every worker, and kept over reloads; not over
 *              a restart
 * reservation  a key that a message takes by store.once(): kept when the message is answered 250,
 *              released otherwise. While it is undecided other messages may take it too: a message
 *              may then be repeated, but none is lost. Keys of reservations are apart from those of
 *              values
 *
 * Bounded: past DICTIONARY_MAX_BYTES the entry that was not used for longest goes. Every function may
 * be called by any thread.
 */
#ifndef MXHOOK_RULES_DICTIONARY_H
#define MXHOOK_RULES_DICTIONARY_H

#include <lua.h>
#include <stddef.h>

#include "../transaction.h"

#define DICTIONARY_MAX_BYTES 16777216 /* of keys, values and their bookkeeping */
#define DICTIONARY_MAX_KEY   1024
#define DICTIONARY_MAX_VALUE 65536

/* Pushes a table {get, set, add, delete, once} of functions. Returns 1. */
int dictionary_open(lua_State *L);

/* Forgets everything: for tests of rules, which begin with an empty one. */
void dictionary_clear(void);

#endif
