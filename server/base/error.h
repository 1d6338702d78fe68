/*
 * error.h - what went wrong, in one good line.
 *
 * Functions return 0 or a negative errno, as libuv's do. One that can fail for a reason worth
 * telling a person also takes a `struct error` (NULL: the caller does not care) and writes one line
 * into it, without a newline. It is logged or printed once, where it is handled.
 */
#ifndef MXHOOK_ERROR_H
#define MXHOOK_ERROR_H

struct error {
    char text[1024];
};

/* Formats the line and returns `code`, so that a caller can `return error_set(err, -EINVAL, ...)`.
 * Cut, never overrun, when it is too long. Any thread. */
int error_set(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
