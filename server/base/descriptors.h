/*
 * descriptors.h - room for as many open files as are needed.
 */
#ifndef MXHOOK_DESCRIPTORS_H
#define MXHOOK_DESCRIPTORS_H

#include <stddef.h>

/* Raises RLIMIT_NOFILE to `needed`, or as far as it may be raised; then a warning says that it may
 * not be enough. Never lowers it. Before threads are started. */
void descriptors_raise(size_t needed);

#endif
