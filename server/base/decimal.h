/* decimal.h - a number in decimal digits, by hand: printf takes 1,000 instructions, and a message has a dozen numbers. */
#ifndef MXHOOK_DECIMAL_H
#define MXHOOK_DECIMAL_H

#include <stdint.h>
#include <string.h>

#define DECIMAL_SIZE 21 /* of the longest, with its NUL */

/* Writes the number and a NUL; returns where the NUL is. `to` has room for DECIMAL_SIZE. Any thread. */
static inline char *decimal_put(char *to, int64_t number)
{
    char digits[DECIMAL_SIZE], *at = digits + sizeof digits;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    *--at = 0;
    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (number < 0)
        *--at = '-';
    size_t size = (size_t)(digits + sizeof digits - at);
    memcpy(to, at, size);
    return to + size - 1;
}

#endif
