#include "charset_decode.h"

#include <errno.h>
#include <string.h>

/* Which characters are meant, in ISO-2022-JP and HZ. */
enum set { SET_ASCII, SET_ROMAN, SET_KATAKANA, SET_JIS0208, SET_JIS0212, SET_GB };

#define KATAKANA 0xFF61 /* U+FF61: the first half-width one, at 0xA1 */

static const struct decoded needs_more;

static struct decoded bad(size_t used)
{
    return (struct decoded){used, {DECODE_BAD, 0}};
}

static struct decoded is(size_t used, uint32_t code)
{
    if (code & CHARSET_PAIR)
        return (struct decoded){used, {(code & ~CHARSET_PAIR) >> 16, code & 0xFFFF}};
    return (struct decoded){used, {code, 0}};
}

/* A pair that is none: it costs two bytes, or one where the second is ASCII. */
static struct decoded bad_pair(const uint8_t *bytes)
{
    return bad(bytes[1] < 0x80 ? 1 : 2);
}

static uint32_t pair_code(const uint32_t *table, uint8_t lead, uint8_t trail)
{
    if (lead < DOUBLE_LEAD || lead == 0xFF || trail < DOUBLE_TRAIL || trail == 0xFF)
        return 0;
    return table[(lead - DOUBLE_LEAD) * DOUBLE_WIDTH + trail - DOUBLE_TRAIL];
}

static struct decoded decode_double(const uint32_t *table, const uint8_t *bytes, size_t size,
                                    bool last)
{
    if (bytes[0] < DOUBLE_LEAD || bytes[0] == 0xFF)
        return bad(1);
    if (size < 2)
        return last ? bad(1) : needs_more;
    uint32_t code = pair_code(table, bytes[0], bytes[1]);
    return code ? is(2, code) : bad_pair(bytes);
}

/* --- GB18030 --- */

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static struct decoded decode_four(const uint8_t *bytes, size_t size, bool last)
{
    if (size < 3)
        return last ? bad(1) : needs_more;
    if (bytes[2] < 0x81 || bytes[2] == 0xFF)
        return bad(1);
    if (size < 4)
        return last ? bad(1) : needs_more;
    if (!is_digit(bytes[3]))
        return bad(1);
    uint32_t linear = (bytes[0] - 0x81u) * 12600 + (bytes[1] - 0x30u) * 1260 +
                      (bytes[2] - 0x81u) * 10 + (bytes[3] - 0x30u);
    uint32_t code = linear < FOURS ? charset_fours()[linear] : 0;
    if (linear >= 189000 && linear < 189000 + 0x100000)
        code = linear - 189000 + 0x10000;
    return code ? is(4, code) : bad(4);
}

static struct decoded decode_gb18030(const uint32_t *table, const uint8_t *bytes, size_t size,
                                     bool last)
{
    if (bytes[0] == 0x80)
        return is(1, 0x20AC); /* the euro of CP936 */
    if (size >= 2 && bytes[0] >= 0x81 && bytes[0] < 0xFF && is_digit(bytes[1]))
        return decode_four(bytes, size, last);
    return decode_double(table, bytes, size, last);
}

/* --- Japanese --- */

static struct decoded decode_sjis(const uint32_t *table, const uint8_t *bytes, size_t size,
                                  bool last)
{
    uint8_t lead = bytes[0];
    if (lead == 0x80)
        return is(1, 0x80);
    if (lead >= 0xA1 && lead <= 0xDF)
        return is(1, KATAKANA + lead - 0xA1u);
    if (lead == 0xA0 || lead > 0xFC)
        return bad(1);
    if (size < 2)
        return last ? bad(1) : needs_more;
    uint32_t code = pair_code(table, lead, bytes[1]);
    if (lead >= 0xF0 && lead <= 0xF9 && bytes[1] >= 0x40 && bytes[1] <= 0xFC && bytes[1] != 0x7F)
        code = 0xE000 + (lead - 0xF0u) * 188 + bytes[1] - (bytes[1] < 0x7F ? 0x40u : 0x41u);
    return code ? is(2, code) : bad_pair(bytes);
}

static uint32_t jis_code(const uint32_t *table, uint8_t row, uint8_t cell)
{
    row &= 0x7F;
    cell &= 0x7F;
    if (row < 0x21 || row > 0x7E || cell < 0x21 || cell > 0x7E)
        return 0;
    return table[(row - 0x21) * 94 + cell - 0x21];
}

static struct decoded decode_euc_jp(const uint8_t *bytes, size_t size, bool last)
{
    if (bytes[0] != 0x8E && bytes[0] != 0x8F && (bytes[0] < 0xA1 || bytes[0] == 0xFF))
        return bad(1);
    if (size < 2)
        return last ? bad(1) : needs_more;
    if (bytes[1] < 0xA1 || bytes[1] == 0xFF)
        return bad_pair(bytes);
    if (bytes[0] == 0x8E)
        return bytes[1] <= 0xDF ? is(2, KATAKANA + bytes[1] - 0xA1u) : bad_pair(bytes);
    if (bytes[0] != 0x8F) {
        uint32_t code = jis_code(charset_jis0208(), bytes[0], bytes[1]);
        return code ? is(2, code) : bad_pair(bytes);
    }
    if (size < 3)
        return last ? bad(1) : needs_more;
    uint32_t code = bytes[2] >= 0xA1 ? jis_code(charset_jis0212(), bytes[1], bytes[2]) : 0;
    return code ? is(3, code) : bad(bytes[2] < 0x80 ? 2 : 3);
}

/* --- Charsets of seven bits --- */

/* A byte above 0x7F cannot be: where it is UTF-8, somebody has declared the wrong charset. */
static struct decoded decode_high(const uint8_t *bytes, size_t size, bool last)
{
    bool more;
    size_t used = charset_utf8_at(bytes, size, &more);
    if (used == 0)
        return more && !last ? needs_more : bad(1);
    uint32_t code = bytes[0] & (used == 2 ? 0x1Fu : used == 3 ? 0x0Fu : 0x07u);
    for (size_t i = 1; i < used; i++)
        code = code << 6 | (bytes[i] & 0x3Fu);
    return is(used, code);
}

static struct decoded decode_escape(struct charset_converter *converter, const uint8_t *bytes,
                                    size_t size, bool last)
{
    static const struct {
        const char *bytes;
        enum set set;
    } escapes[] = {{"\033(B", SET_ASCII},    {"\033(J", SET_ROMAN},    {"\033(H", SET_ROMAN},
                   {"\033(I", SET_KATAKANA}, {"\033$@", SET_JIS0208},  {"\033$B", SET_JIS0208},
                   {"\033$(@", SET_JIS0208}, {"\033$(B", SET_JIS0208}, {"\033$(D", SET_JIS0212},
                   {"\033&@", SET_ASCII}};
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        size_t length = strlen(escapes[i].bytes), seen = size < length ? size : length;
        if (memcmp(bytes, escapes[i].bytes, seen) != 0)
            continue;
        if (seen < length)
            return last ? bad(1) : needs_more;
        if (bytes[1] != '&') /* that one only says which edition follows */
            converter->set = escapes[i].set;
        return (struct decoded){length, {0, 0}};
    }
    return bad(1);
}

static struct decoded decode_2022_jp(struct charset_converter *converter, const uint8_t *bytes,
                                     size_t size, bool last)
{
    uint8_t byte = bytes[0];
    if (byte == 0x1B)
        return decode_escape(converter, bytes, size, last);
    if (byte >= 0x80)
        return decode_high(bytes, size, last);
    if (byte == '\n' || byte == '\r')
        converter->set = SET_ASCII; /* RFC 1468: a line ends in ASCII */
    if (byte <= ' ' || byte == 0x7F)
        return byte == 0x0E || byte == 0x0F ? bad(1) : (struct decoded){1, {byte, 0}};
    switch (converter->set) {
    case SET_ROMAN: return is(1, byte == '\\' ? 0xA5u : byte == '~' ? 0x203Eu : byte);
    case SET_KATAKANA: return byte <= 0x5F ? is(1, KATAKANA + byte - 0x21u) : bad(1);
    case SET_JIS0208:
    case SET_JIS0212: break;
    default: return is(1, byte);
    }
    if (size < 2)
        return last ? bad(1) : needs_more;
    if (bytes[1] < 0x21 || bytes[1] > 0x7E)
        return bad(1);
    uint32_t code = jis_code(converter->set == SET_JIS0208 ? charset_jis0208() : charset_jis0212(),
                             byte, bytes[1]);
    return code ? is(2, code) : bad(2);
}

static struct decoded decode_hz(struct charset_converter *converter, const uint32_t *table,
                                const uint8_t *bytes, size_t size, bool last)
{
    uint8_t byte = bytes[0];
    if (byte >= 0x80)
        return decode_high(bytes, size, last);
    if (byte == '\n' || byte == '\r')
        converter->set = SET_ASCII;
    if (byte != '~' && (converter->set == SET_ASCII || byte <= ' '))
        return (struct decoded){1, {byte, 0}};
    if (size < 2)
        return last ? bad(1) : needs_more;
    if (byte == '~') {
        if (bytes[1] == '{' || bytes[1] == '}')
            converter->set = bytes[1] == '{' ? SET_GB : SET_ASCII;
        else if (bytes[1] != '\n')
            return is(bytes[1] == '~' ? 2 : 1, '~');
        return (struct decoded){2, {0, 0}};
    }
    if (bytes[1] < 0x21 || bytes[1] > 0x7E)
        return bad(1);
    uint32_t code = pair_code(table, byte | 0x80, bytes[1] | 0x80);
    return code ? is(2, code) : bad(2);
}

/* --- UTF-16 --- */

static struct decoded decode_utf16(struct charset_converter *converter, const uint8_t *bytes,
                                   size_t size, bool last)
{
    if (size < 2)
        return last ? bad(1) : needs_more;
    if (!converter->begun) {
        converter->begun = true;
        bool mark =
            (bytes[0] == 0xFE && bytes[1] == 0xFF) || (bytes[0] == 0xFF && bytes[1] == 0xFE);
        if (mark) {
            converter->big_endian = bytes[0] == 0xFE;
            return (struct decoded){2, {0, 0}};
        }
    }
    int high = converter->big_endian ? 0 : 1;
    uint32_t unit = (uint32_t)bytes[high] << 8 | bytes[1 - high];
    if (unit < 0xD800 || unit > 0xDFFF)
        return (struct decoded){2, {unit, 0}};
    if (unit > 0xDBFF)
        return bad(2);
    if (size < 4)
        return last ? bad(2) : needs_more;
    uint32_t second = (uint32_t)bytes[2 + high] << 8 | bytes[3 - high];
    if (second < 0xDC00 || second > 0xDFFF)
        return bad(2);
    return is(4, 0x10000 + ((unit - 0xD800) << 10) + second - 0xDC00);
}

/* --- All --- */

static bool is_ascii_kind(enum charset_kind kind)
{
    return kind == CHARSET_DOUBLE || kind == CHARSET_GB18030 || kind == CHARSET_SJIS ||
           kind == CHARSET_EUC_JP;
}

/* NUL in CHARSET_SINGLE and the like is a character: code[0] is 0 and one byte is used, which is what
 * charset.c tells by the byte. */
struct decoded charset_decode(struct charset_converter *converter, const uint8_t *bytes,
                              size_t size, bool last)
{
    const struct charset *charset = converter->charset;
    if (bytes[0] < 0x80 && is_ascii_kind(charset->kind))
        return (struct decoded){1, {bytes[0], 0}};
    switch (charset->kind) {
    case CHARSET_SINGLE: {
        uint32_t code = charset_table(charset)[bytes[0]];
        return code || bytes[0] == 0 ? is(1, code) : bad(1);
    }
    case CHARSET_DOUBLE: return decode_double(charset_table(charset), bytes, size, last);
    case CHARSET_GB18030: return decode_gb18030(charset_table(charset), bytes, size, last);
    case CHARSET_SJIS: return decode_sjis(charset_table(charset), bytes, size, last);
    case CHARSET_EUC_JP: return decode_euc_jp(bytes, size, last);
    case CHARSET_2022_JP: return decode_2022_jp(converter, bytes, size, last);
    case CHARSET_HZ:
        return decode_hz(converter, charset_table(charset_find("gbk")), bytes, size, last);
    case CHARSET_UTF16: return decode_utf16(converter, bytes, size, last);
    case CHARSET_ICONV: break;
    }
    return bad(1);
}

int charset_prepare(const struct charset *charset)
{
    bool made = true;
    switch (charset->kind) {
    case CHARSET_EUC_JP:
    case CHARSET_2022_JP: made = charset_jis0208() && charset_jis0212(); break;
    case CHARSET_HZ: made = charset_table(charset_find("gbk")); break;
    case CHARSET_GB18030: made = charset_table(charset) && charset_fours(); break;
    case CHARSET_UTF16:
    case CHARSET_ICONV: break;
    default: made = charset_table(charset); break;
    }
    return made ? 0 : -ENOMEM;
}

size_t charset_utf8_at(const uint8_t *bytes, size_t size, bool *more)
{
    size_t need = bytes[0] >= 0xF0 ? 4 : bytes[0] >= 0xE0 ? 3 : 2;
    size_t have = size < need ? size : need;
    char filled[4] = {0};
    memcpy(filled, bytes, have);
    /* What lacks bytes may still be one, if the least or the greatest of them would do. */
    *more = false;
    if (bytes[0] < 0xC2 || bytes[0] > 0xF4)
        return 0;
    if (have == need)
        return utf8_valid_size(filled, need) == need ? need : 0;
    for (int fill = 0; fill < 2; fill++) {
        memset(filled + have, fill ? 0xBF : 0x80, need - have);
        *more = *more || utf8_valid_size(filled, need) == need;
    }
    return 0;
}
