/*
 * known_logins.h - the addresses that logins came from (guesses.h), kept over restarts.
 *
 * They are lines of a file in the spool's folder, KNOWN_LOGINS_FILE: Unix time, address, user. It is
 * written a while after an address got known, or was known for another day, by libuv's pool, and at
 * the end. With spool.postgres each node has its own: an address is known where it logged in, and
 * elsewhere after its first login there.
 *
 * Loop thread only. What cannot be written is logged, and tried again with the next change.
 */
#ifndef MXHOOK_SMTP_KNOWN_LOGINS_H
#define MXHOOK_SMTP_KNOWN_LOGINS_H

#include <uv.h>

#include "guesses.h"

#define KNOWN_LOGINS_FILE     "known-logins"
#define KNOWN_LOGINS_WRITE_MS 2000 /* from a change on; others meanwhile are written with it */

struct known_logins;

/* Reads the file into `guesses`, which must outlive what this returns; blocking. `directory` is copied;
 * NULL: nothing is kept. NULL: no memory. */
struct known_logins *known_logins_open(uv_loop_t *loop, struct guesses *guesses,
                                       const char *directory);

/* guesses_right() said that something is to be kept. Takes NULL. */
void known_logins_changed(struct known_logins *known);

/* Writes what is not written yet, blocking, and frees; closed() is called when that is done, never
 * from inside this function. */
void known_logins_close(struct known_logins *known, void (*closed)(void *context), void *context);

#endif
