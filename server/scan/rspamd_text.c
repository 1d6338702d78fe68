#include "rspamd_text.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../mail/utf8.h"
#include "../base/ascii.h"
#include "../base/printable.h"
#include "rspamd_answer.h"

/* libyajl decodes escapes, but neither checks UTF-8 (an option may quote a message's raw bytes) nor that surrogates
 * are in pairs. */
char *rspamd_copy_text(struct arena *arena, const unsigned char *text, size_t size, size_t max)
{
    if (size > max)
        size = utf8_whole_size((const char *)text, max);
    char *copy = arena_strndup(arena, (const char *)text, size);
    for (size_t i = 0, n; copy && i < size; i += n) {
        bool ascii = text[i] >= ' ' && text[i] < 0x7f;
        n = ascii ? 1 : printable((const char *)text + i, size - i);
        if (n == 0) {
            copy[i] = is_control((char)text[i]) ? ' ' : '?';
            n = 1;
        }
    }
    return copy;
}

const char *rspamd_copy_name(struct arena *arena, const unsigned char *name, size_t size)
{
    bool valid = size > 0 && size <= 255;
    for (size_t i = 0; valid && i < size; i++)
        valid = name[i] > ' ' && name[i] < 0x7f && name[i] != ':';
    return valid ? arena_strndup(arena, (const char *)name, size) : NULL;
}

/* Of few digits and no exponent, as scores are, digits and power of ten are exact, and so is their quotient. NAN:
 * another. */
static double read_short(const char *text, size_t size)
{
    static const double powers[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6, 1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};
    int64_t digits = 0;
    size_t decimals = 0;
    bool negative = *text == '-', point = false;
    if (size > sizeof powers / sizeof *powers)
        return NAN;
    for (size_t i = negative; i < size; i++) {
        if (text[i] == 'e' || text[i] == 'E')
            return NAN;
        decimals += point;
        if (text[i] == '.')
            point = true;
        else
            digits = 10 * digits + text[i] - '0';
    }
    return (double)(negative ? -digits : digits) / powers[decimals];
}

double rspamd_read_number(const char *text, size_t size)
{
    char copy[64];
    double quick = read_short(text, size);
    if (!isnan(quick))
        return quick;
    if (size >= sizeof copy)
        return NAN;
    memcpy(copy, text, size);
    copy[size] = 0;
    double number = strtod(copy, NULL);
    return isfinite(number) ? number + 0.0 : NAN; /* -0 is 0 */
}

const char *rspamd_copy_action(struct arena *arena, const unsigned char *action, size_t size)
{
    bool valid = size > 0 && size <= SCAN_ACTION_MAX;
    for (size_t i = 0; valid && i < size; i++)
        valid = action[i] >= ' ' && action[i] < 0x7f && action[i] != '"' && action[i] != '\\';
    return valid ? arena_strndup(arena, (const char *)action, size) : NULL;
}

void rspamd_end_before_long_word(char *text)
{
    for (size_t size; *(text += strspn(text, " ")); text += size)
        if ((size = strcspn(text, " ")) > RSPAMD_WORD_MAX)
            *text = size = 0;
}
