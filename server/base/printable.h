/* printable.h - which characters may be shown as they are, in a log or on a terminal. */
#ifndef MXHOOK_PRINTABLE_H
#define MXHOOK_PRINTABLE_H

#include <stddef.h>

/* The bytes of the character that begins at `text`, of which `size` are left: 0 where its first byte is to
 * be escaped. That is what is not UTF-8 (RFC 3629), and what acts on what is shown instead of being it:
 * control characters (C0, DEL, C1), those that turn the direction of writing, end lines or show nothing.
 * Any thread. */
size_t printable(const char *text, size_t size);

#endif
