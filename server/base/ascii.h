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
    static const signed char values[256] = {
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,
        ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['A'] = 11, ['B'] = 12,
        ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16, ['a'] = 11, ['b'] = 12,
        ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    };
    return values[(unsigned char)c] - 1;
}

/* Two hexadecimal digits as a byte; -1 where they are none. */
static inline int hex_byte(const char *at, const char *end)
{
    if (end - at < 2)
        return -1;
    int high = hex_digit(at[0]), low = hex_digit(at[1]);
    return (high | low) < 0 ? -1 : high << 4 | low;
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
