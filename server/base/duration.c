#include "duration.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"

double duration_unit(const char *text, const char **end)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"ms", 1},     {"s", 1e3},     {"m", 60e3},
                 {"h", 3600e3}, {"d", 86400e3}, {"w", 7 * 86400e3}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t size = strlen(units[i].name);
        if (strncmp(text, units[i].name, size) != 0 || isalpha((unsigned char)text[size]))
            continue;
        *end = text + size;
        return units[i].ms;
    }
    return 0;
}

double duration_read(const char *text, const char **end)
{
    size_t digits = strspn(text, DIGITS);
    if (digits == 0)
        return -1;
    if (text[digits] == '.')
        digits += 1 + strspn(text + digits + 1, DIGITS);
    double number = strtod(text, NULL); /* no letter follows that it would read but a unit's */
    const char *unit = text + digits;
    double ms = duration_unit(unit + (*unit == ' '), end);
    return ms > 0 ? number * ms : -1;
}
