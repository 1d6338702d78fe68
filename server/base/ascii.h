/* ascii.h - what bytes are, whatever the locale. */
#ifndef MXHOOK_ASCII_H
#define MXHOOK_ASCII_H

#include <stdbool.h>
#include <stddef.h>

/* White space, also where a field is folded (RFC 5322 section 2.2.3). */
static inline bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A control character of ASCII, DEL included. */
static inline bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

/* A letter in lower case, another byte as it is. */
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* How many bytes at the beginning are ASCII. */
static inline size_t ascii_size(const char *bytes, size_t size)
{
    size_t at = 0;
    while (at < size && (unsigned char)bytes[at] < 0x80)
        at++;
    return at;
}

static inline bool is_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80)
        text++;
    return !*text;
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

/* Writes two digits for each byte, in lower case, and a NUL. */
static inline void hex_write(char *out, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = 0;
}

#endif
