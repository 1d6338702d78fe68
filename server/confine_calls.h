/* confine_calls.h - for confine.c: system calls that no part of the program needs, denied by seccomp. */
#ifndef MXHOOK_CONFINE_CALLS_H
#define MXHOOK_CONFINE_CALLS_H

#include <stddef.h>

/* Denies them to this process, threads to come included. What came of it is in `what`, for the log. 0, also where the
 * kernel or a container does not let it; -ENOMEM. */
int confine_calls(char *what, size_t size);

#endif
