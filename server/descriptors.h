/*
 * descriptors.h - room for as many open files as the configuration lets us need.
 */
#ifndef MXHOOK_DESCRIPTORS_H
#define MXHOOK_DESCRIPTORS_H

#include "config.h"

/* How many file descriptors may be open at once: a connection may have a socket and a file for its
 * message, a request the same. */
size_t descriptors_needed(const struct config *config);

/* Raises RLIMIT_NOFILE to what is needed, or as far as it may be raised; then a warning says that
 * it may not be enough. Never lowers it. */
void descriptors_raise(const struct config *config);

#endif
