/*
 * id.h - ids: sortable by time, unique over restarts and nodes.
 *
 * A connection's id is 16 characters of Crockford's base32 in lower case: 10 of Unix time in
 * milliseconds, 6 of a random-seeded counter. A message's id is its connection's, "-" and its
 * number there; a delivery's id is its message's, "-" and its number there. A delivery's id is
 * what a receiver sees as webhook-id.
 */
#ifndef MXHOOK_ID_H
#define MXHOOK_ID_H

#include <stddef.h>
#include <stdint.h>

#define ID_SIZE 48 /* bytes that hold any id and its NUL */

/* Writes a new connection's id. Any thread. */
void id_new(char id[ID_SIZE]);

/* Writes PARENT-NUMBER. `parent` may be `id` itself. */
void id_child(char id[ID_SIZE], const char *parent, unsigned number);

/* When its connection's was made, Unix ms; 0: it is none of ours. Any thread. */
int64_t id_time_ms(const char *id);

/* The way back: the number that a child's id ends with, and in *parent how many of its bytes are its parent's. 0 and 0:
 * it has none. Any thread. */
unsigned id_number(const char *id, size_t *parent);

#endif
