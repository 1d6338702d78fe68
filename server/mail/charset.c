#include "charset.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_SIZE 64
#define WORK_SIZE     2048
#define NONE          ((iconv_t) - 1)
#define UTF8          "" /* needs no iconv */

/* What mail calls a charset, without punctuation, and what iconv should be asked for. Where a
 * larger set contains the declared one, and is what such mail really uses, it is the larger (as
 * browsers do, WHATWG Encoding section 4.2). "" declares nothing. */
static const struct misnomer {
    const char *folded, *meant;
} misnomers[] = {
    {"ascii", UTF8},
    {"usascii", UTF8},
    {"ansix341968", UTF8},
    {"iso646us", UTF8},
    {"unknown8bit", UTF8},
    {"unknown", UTF8},
    {"xunknown", UTF8},
    {"8bit", UTF8},
    {"7bit", UTF8},
    {"binary", UTF8},
    {"default", UTF8},
    {"none", UTF8},
    {"xuserdefined", UTF8},
    {"utf8", UTF8},
    {"unicode11utf8", UTF8},
    {"unicode20utf8", UTF8},
    {"xunicode20utf8", UTF8},
    {"utf8mb4", UTF8},
    {"utf7", "UTF-7"},
    {"unicode11utf7", "UTF-7"},
    {"xunicode20utf7", "UTF-7"},
    {"iso88591", "CP1252"},
    {"iso885911987", "CP1252"},
    {"latin1", "CP1252"},
    {"l1", "CP1252"},
    {"ansi", "CP1252"},
    {"xansi", "CP1252"},
    {"iso88599", "CP1254"},
    {"latin5", "CP1254"},
    {"iso88598i", "ISO-8859-8"},
    {"iso88598e", "ISO-8859-8"},
    {"iso88596i", "ISO-8859-6"},
    {"iso88596e", "ISO-8859-6"},
    {"iso885911", "CP874"},
    {"tis620", "CP874"},
    {"ksc56011987", "CP949"},
    {"ksc56011989", "CP949"},
    {"ksc5601", "CP949"},
    {"euckr", "CP949"},
    {"korean", "CP949"},
    {"uhc", "CP949"},
    {"windows949", "CP949"},
    {"xwindows949", "CP949"},
    {"shiftjis", "CP932"},
    {"shiftjisx0213", "SHIFT_JISX0213"},
    {"sjis", "CP932"},
    {"xsjis", "CP932"},
    {"xmsjis", "CP932"},
    {"mskanji", "CP932"},
    {"windows31j", "CP932"},
    {"xeuc", "EUC-JP"},
    {"xeucjp", "EUC-JP"},
    {"cp50220", "ISO-2022-JP"},
    {"cp50221", "ISO-2022-JP"},
    {"xeuctw", "EUC-TW"},
    {"gb2312", "GB18030"},
    {"gb231280", "GB18030"},
    {"xgb2312", "GB18030"},
    {"euccn", "GB18030"},
    {"xeuccn", "GB18030"},
    {"gbk", "GB18030"},
    {"xgbk", "GB18030"},
    {"cp936", "GB18030"},
    {"chinese", "GB18030"},
    {"hzgb2312", "HZ"},
    {"big5", "BIG5-HKSCS"},
    {"xxbig5", "BIG5-HKSCS"},
    {"xbig5", "BIG5-HKSCS"},
    {"cnbig5", "BIG5-HKSCS"},
    {"cp950", "BIG5-HKSCS"},
    {"xmacroman", "MACINTOSH"},
    {"macroman", "MACINTOSH"},
    {"xmaccyrillic", "MAC-CYRILLIC"},
    {"xmacce", "MAC-CENTRALEUROPE"},
    {"koi8", "KOI8-R"},
    {"xkoi8r", "KOI8-R"},
};

/* Only letters and digits, lower case: so "ISO_8859-1:1987" and "iso8859-1" are alike. */
static void fold(const char *name, char folded[NAME_MAX_SIZE])
{
    size_t used = 0;
    for (; *name && used < NAME_MAX_SIZE - 1; name++)
        if (isalnum((unsigned char)*name))
            folded[used++] = (char)tolower((unsigned char)*name);
    folded[used] = 0;
}

/* "cp-850", "win-1251", "x-windows-cp1252", "iso8859_15": families that are named in many ways. */
static bool family_name(const char *folded, char meant[NAME_MAX_SIZE])
{
    static const struct family {
        const char *prefix, *format;
    } families[] = {
        {"xwindowscp", "CP%s"},
        {"windowscp", "CP%s"},
        {"xwindows", "CP%s"},
        {"windows", "CP%s"},
        {"win", "CP%s"},
        {"mscp", "CP%s"},
        {"ms", "CP%s"},
        {"xcp", "CP%s"},
        {"cp", "CP%s"},
        {"xibm", "IBM%s"},
        {"ibm", "IBM%s"},
        {"dos", "CP%s"},
        {"xiso8859", "ISO-8859-%s"},
        {"iso8859", "ISO-8859-%s"},
    };
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        size_t size = strlen(families[i].prefix);
        const char *number = folded + size;
        if (strncmp(folded, families[i].prefix, size) == 0 && *number &&
            strspn(number, "0123456789") == strlen(number) && strlen(number) <= 5) {
            /* The formats are the table's own. */
            snprintf(meant, NAME_MAX_SIZE, families[i].format, number);
            return true;
        }
    }
    return false;
}

static size_t unit_of(const char *folded)
{
    if (strncmp(folded, "utf16", 5) == 0 || strncmp(folded, "ucs2", 4) == 0)
        return 2;
    if (strncmp(folded, "utf32", 5) == 0 || strncmp(folded, "ucs4", 4) == 0)
        return 4;
    return 1;
}

static iconv_t open_name(const char *name)
{
    /* iconv reads more than a name into "/" and ",". */
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-_.:+()", *c))
            return NONE;
    return *name ? iconv_open("UTF-8", name) : NONE;
}

int charset_open(struct charset_converter *converter, const char *name)
{
    char folded[NAME_MAX_SIZE], family[NAME_MAX_SIZE];
    *converter = (struct charset_converter){.iconv = NONE, .unit = 1};
    if (!name || strlen(name) >= NAME_MAX_SIZE)
        return 0;
    fold(name, folded);
    for (size_t i = 0; i < sizeof misnomers / sizeof *misnomers; i++) {
        if (strcmp(folded, misnomers[i].folded) == 0) {
            name = misnomers[i].meant;
            break;
        }
    }
    errno = 0;
    converter->iconv = open_name(name);
    if (converter->iconv == NONE && errno != ENOMEM && *name && family_name(folded, family))
        converter->iconv = open_name(family);
    if (converter->iconv == NONE)
        return errno == ENOMEM ? -ENOMEM : 0;
    converter->unit = unit_of(folded);
    return 0;
}

void charset_close(struct charset_converter *converter)
{
    if (converter->iconv != NONE)
        iconv_close(converter->iconv);
    converter->iconv = NONE;
}

/* Converts what stands in `in`; leaves what is unfinished at its end, and says how much that is. */
static int convert(struct charset_converter *converter, char *in, size_t in_size, size_t *left,
                   bytes_sink sink, void *context)
{
    char out[WORK_SIZE * 2];
    int status = 0;
    while (status == 0 && in_size > 0) {
        char *to = out;
        size_t room = sizeof out;
        size_t done = iconv(converter->iconv, &in, &in_size, &to, &room);
        int problem = done == (size_t)-1 ? errno : 0;
        status = utf8_stream_write(&converter->utf8, out, (size_t)(to - out), sink, context);
        if (problem == EINVAL && in_size <= sizeof converter->pending)
            break;
        if (status == 0 && problem != 0 && problem != E2BIG) {
            size_t skip = converter->unit < in_size ? converter->unit : in_size;
            in += skip;
            in_size -= skip;
            status = utf8_stream_write(&converter->utf8, UTF8_REPLACEMENT, 3, sink, context);
        }
    }
    *left = in_size;
    return status;
}

int charset_write(struct charset_converter *converter, const char *bytes, size_t size,
                  bytes_sink sink, void *context)
{
    if (converter->iconv == NONE)
        return utf8_stream_write(&converter->utf8, bytes, size, sink, context);
    char in[WORK_SIZE];
    int status = 0;
    while (status == 0 && size > 0) {
        size_t had = converter->pending_size, left;
        size_t take = size < sizeof in - had ? size : sizeof in - had;
        memcpy(in, converter->pending, had);
        memcpy(in + had, bytes, take);
        bytes += take;
        size -= take;
        status = convert(converter, in, had + take, &left, sink, context);
        if (status == 0) {
            memcpy(converter->pending, in + had + take - left, left);
            converter->pending_size = left;
        }
    }
    return status;
}

int charset_end(struct charset_converter *converter, bytes_sink sink, void *context)
{
    int status = 0;
    if (converter->iconv != NONE) {
        /* Some charsets hold a character back until they know that nothing combines with it. */
        char out[64], *to = out;
        size_t room = sizeof out;
        iconv(converter->iconv, NULL, NULL, &to, &room);
        status = utf8_stream_write(&converter->utf8, out, (size_t)(to - out), sink, context);
    }
    if (status == 0)
        status = utf8_stream_end(&converter->utf8, sink, context);
    if (status == 0 && converter->pending_size > 0)
        status = sink(context, UTF8_REPLACEMENT, 3);
    converter->pending_size = 0;
    return status;
}

int charset_append(struct buffer *to, const char *name, const char *bytes, size_t size)
{
    struct charset_converter converter;
    int status = charset_open(&converter, name);
    if (status < 0)
        return status;
    status = charset_write(&converter, bytes, size, buffer_sink, to);
    if (status == 0)
        status = charset_end(&converter, buffer_sink, to);
    charset_close(&converter);
    return status;
}
