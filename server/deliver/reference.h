/*
 * reference.h - secrets that stand elsewhere.
 *
 * reference    "env:NAME" or "file:/path", where a secret would stand: it is read whenever it is
 *              needed, so that the secret itself stands neither in rules nor in the spool nor in a
 *              log, and a new one needs no reload
 */
#ifndef MXHOOK_DELIVER_REFERENCE_H
#define MXHOOK_DELIVER_REFERENCE_H

#include <stdbool.h>

#include "../base/error.h"

#define REFERENCE_SIZE 8192 /* bytes of a value, its NUL included */

/* Is it one to a file, whose reading blocks? */
bool reference_blocks(const char *text);

/* *value is what the reference names, read into `buffer` (the caller cleanses it) or the
 * environment's, without line ends at its end; or `text` itself, which is no reference. 0; or a
 * negative errno with `err`, which names the reference and never the value: there is none
 * (-ENOENT and others), it is empty (-ENODATA), holds a NUL (-EBADMSG), or is too long (-EFBIG).
 * Any thread; blocking where reference_blocks(). */
int reference_read(const char *text, char buffer[REFERENCE_SIZE], const char **value,
                   struct error *err);

/* The reference of a destination's header "Name=REFERENCE"; NULL where it is "Name: value". */
const char *reference_of_header(const char *header);
/* Makes *line, "Name: value" as it is sent, of such a header; for reference_free_header(). As
 * reference_read(); -EBADMSG also where the value holds a control character, -ENOMEM. */
int reference_read_header(const char *header, char **line, struct error *err);
void reference_free_header(char *line); /* cleanses it first; takes NULL */

#endif
