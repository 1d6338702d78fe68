/* write_all.h - a write(2) that is not done by halves. */
#ifndef MXHOOK_WRITE_ALL_H
#define MXHOOK_WRITE_ALL_H

#include <stddef.h>

/* Writes all of it, however often the system takes a part or is interrupted. 0 or a negative errno.
 * Blocking; any thread. */
int write_all(int fd, const char *bytes, size_t size);

#endif
