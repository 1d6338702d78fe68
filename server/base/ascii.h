/* ascii.h - what bytes are, whatever the locale. */
#ifndef MXHOOK_ASCII_H
#define MXHOOK_ASCII_H

#include <stdbool.h>

/* White space, also where a field is folded (RFC 5322 section 2.2.3). */
static inline bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The value of a hexadecimal digit; -1: not one. */
static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20; /* lower case */
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Two hexadecimal digits as a byte; -1 where they are none. */
static inline int hex_byte(const char *at, const char *end)
{
    if (end - at < 2 || hex_digit(at[0]) < 0 || hex_digit(at[1]) < 0)
        return -1;
    return hex_digit(at[0]) << 4 | hex_digit(at[1]);
}

#endif
