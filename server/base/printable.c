#include "printable.h"

#include <stdbool.h>
#include <stdint.h>

static const struct {
    uint32_t first, last;
} unsafe[] = {
    {0x00, 0x1f},       {0x7f, 0x9f},     /* C0, DEL, C1 */
    {0x00ad, 0x00ad},                     /* soft hyphen */
    {0x061c, 0x061c},                     /* Arabic letter mark */
    {0x180e, 0x180e},   {0x200b, 0x200f}, /* no width, or a direction */
    {0x2028, 0x202e},                     /* line and paragraph ends, directions */
    {0x2060, 0x206f},                     /* no width, isolates */
    {0xfeff, 0xfeff},   {0xfff9, 0xfffb}, /* byte order mark, annotations */
    {0xe0000, 0xe0fff},                   /* tags, variation selectors */
};

static bool is_unsafe(uint32_t c)
{
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++)
        if (c >= unsafe[i].first && c <= unsafe[i].last)
            return true;
    return false;
}

size_t printable(const char *text, size_t size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)text;
    size_t n = size == 0         ? 0
               : p[0] < 0x80     ? 1
               : p[0] >> 5 == 6  ? 2
               : p[0] >> 4 == 14 ? 3
               : p[0] >> 3 == 30 ? 4
                                 : 0;
    if (n == 0 || n > size)
        return 0;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || is_unsafe(c))
        return 0;
    return n;
}
