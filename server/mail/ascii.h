/* ascii.h - what the bytes of a header field are, whatever the locale. */
#ifndef MXHOOK_MAIL_ASCII_H
#define MXHOOK_MAIL_ASCII_H

#include <glib.h>
#include <stdbool.h>

/* White space, also where a field is folded (RFC 5322 section 2.2.3). */
static inline bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Two hexadecimal digits as a byte; -1 where they are none. */
static inline int hex_byte(const char *at, const char *end)
{
    if (end - at < 2 || !g_ascii_isxdigit(at[0]) || !g_ascii_isxdigit(at[1]))
        return -1;
    return g_ascii_xdigit_value(at[0]) << 4 | g_ascii_xdigit_value(at[1]);
}

#endif
