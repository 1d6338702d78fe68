#include "charset_names.h"

#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_SIZE 64

/* The labels of the WHATWG Encoding Standard (section 4.2), and others that mail has. Those that
 * differ only in punctuation stand once. iso-2022-kr, iso-2022-cn and hz-gb-2312, which browsers refuse
 * to show, are decoded. */
static const struct charset charsets[] = {
    {CHARSET_SINGLE, "IBM866", "866 cp866 csibm866 ibm866 dos866", NULL},
    {CHARSET_SINGLE, "ISO-8859-2", "csisolatin2 iso88592 isoir101 iso885921987 l2 latin2", NULL},
    {CHARSET_SINGLE, "ISO-8859-3", "csisolatin3 iso88593 isoir109 iso885931988 l3 latin3", NULL},
    {CHARSET_SINGLE, "ISO-8859-4", "csisolatin4 iso88594 isoir110 iso885941988 l4 latin4", NULL},
    {CHARSET_SINGLE, "ISO-8859-5", "csisolatincyrillic cyrillic iso88595 isoir144 iso885951988",
     NULL},
    {CHARSET_SINGLE, "ISO-8859-6",
     "arabic asmo708 csiso88596e csiso88596i csisolatinarabic ecma114 iso88596 iso88596e iso88596i "
     "isoir127 iso885961987",
     NULL},
    {CHARSET_SINGLE, "ISO-8859-7",
     "csisolatingreek ecma118 elot928 greek greek8 iso88597 isoir126 iso885971987 suneugreek",
     NULL},
    {CHARSET_SINGLE, "ISO-8859-8",
     "csiso88598e csisolatinhebrew hebrew iso88598 iso88598e isoir138 iso885981988 visual "
     "csiso88598i iso88598i logical",
     NULL},
    {CHARSET_SINGLE, "ISO-8859-10", "csisolatin6 iso885910 isoir157 l6 latin6 iso8859101992", NULL},
    {CHARSET_SINGLE, "ISO-8859-13", "iso885913 latin7", NULL},
    {CHARSET_SINGLE, "ISO-8859-14", "iso885914 latin8 iso8859141998", NULL},
    {CHARSET_SINGLE, "ISO-8859-15", "csisolatin9 iso885915 l9 latin9 iso8859151998", NULL},
    {CHARSET_SINGLE, "ISO-8859-16", "iso885916 latin10", NULL},
    {CHARSET_SINGLE, "KOI8-R", "cskoi8r koi koi8 koi8r xkoi8r", NULL},
    {CHARSET_SINGLE, "KOI8-U", "koi8u koi8ru", "koi8-u"},
    {CHARSET_SINGLE, "MACINTOSH", "csmacintosh mac macintosh xmacroman macroman", "macintosh"},
    {CHARSET_SINGLE, "CP874", "dos874 iso885911 tis620 windows874 cp874 xcp874", "windows"},
    {CHARSET_SINGLE, "CP1250", "cp1250 windows1250 xcp1250 win1250 xwindowscp1250", "windows"},
    {CHARSET_SINGLE, "CP1251", "cp1251 windows1251 xcp1251 win1251 xwindowscp1251", "windows"},
    {CHARSET_SINGLE, "CP1252",
     "cp1252 cp819 csisolatin1 ibm819 iso88591 isoir100 iso885911987 l1 latin1 windows1252 xcp1252 "
     "win1252 ansi xansi windowscp1252 xwindowscp1252",
     "windows"},
    {CHARSET_SINGLE, "CP1253", "cp1253 windows1253 xcp1253 win1253", "windows"},
    {CHARSET_SINGLE, "CP1254",
     "cp1254 csisolatin5 iso88599 isoir148 iso885991989 l5 latin5 windows1254 xcp1254 win1254",
     "windows"},
    {CHARSET_SINGLE, "CP1255", "cp1255 windows1255 xcp1255 win1255", "windows"},
    {CHARSET_SINGLE, "CP1256", "cp1256 windows1256 xcp1256 win1256", "windows"},
    {CHARSET_SINGLE, "CP1257", "cp1257 windows1257 xcp1257 win1257", "windows"},
    {CHARSET_SINGLE, "CP1258", "cp1258 windows1258 xcp1258 win1258", "windows"},
    {CHARSET_SINGLE, "MAC-CYRILLIC", "xmaccyrillic xmacukrainian maccyrillic", "x-mac-cyrillic"},
    {CHARSET_SINGLE, "CP1252", "xuserdefined", "x-user-defined"},
    {CHARSET_GB18030, "GB18030",
     "chinese csgb2312 csiso58gb231280 gb2312 gb231280 gbk isoir58 xgbk gb18030 cngb euccn xeuccn "
     "xgb2312 cp936 ms936 windows936 gb180302000 gb180302005 gb180302022",
     "gb18030"},
    {CHARSET_DOUBLE, "BIG5-HKSCS",
     "big5 big5hkscs cnbig5 csbig5 xxbig5 xbig5 cp950 ms950 windows950 big5eten", "big5"},
    {CHARSET_EUC_JP, NULL, "cseucpkdfmtjapanese eucjp xeucjp xeuc eucjpms cp51932 ujis", NULL},
    {CHARSET_2022_JP, NULL,
     "csiso2022jp iso2022jp iso2022jp1 iso2022jpms cp50220 cp50221 cp50222 jis", NULL},
    {CHARSET_SJIS, "CP932",
     "csshiftjis ms932 mskanji shiftjis sjis windows31j xsjis cp932 xmsjis cswindows31j xshiftjis "
     "ibm943 cp943 windows932 shiftjiswin sjiswin",
     NULL},
    {CHARSET_DOUBLE, "CP949",
     "cseuckr csksc56011987 euckr isoir149 korean ksc56011987 ksc56011989 ksc5601 windows949 cp949 "
     "uhc xwindows949 ms949",
     "euc-kr"},
    {CHARSET_UTF16, "BE", "unicodefffe utf16be", NULL},
    {CHARSET_UTF16, "LE", "csunicode iso10646ucs2 ucs2 unicode unicodefeff utf16 utf16le", NULL},
    {CHARSET_HZ, NULL, "hzgb2312 hz", NULL},
    {CHARSET_ICONV, "ISO-2022-KR", "csiso2022kr iso2022kr", NULL},
    {CHARSET_ICONV, "ISO-2022-CN", "iso2022cn", NULL},
    {CHARSET_ICONV, "ISO-2022-CN-EXT", "iso2022cnext", NULL},
    {CHARSET_ICONV, "ISO-2022-JP-2", "iso2022jp2", NULL},
    {CHARSET_ICONV, "ISO-2022-JP-3", "iso2022jp3 iso2022jp2004", NULL},
    {CHARSET_ICONV, "EUC-TW", "euctw xeuctw cns11643", NULL},
    {CHARSET_ICONV, "JOHAB", "johab", NULL},
    {CHARSET_ICONV, "SHIFT_JISX0213", "shiftjisx0213 shiftjis2004", NULL},
    {CHARSET_ICONV, "EUC-JISX0213", "eucjisx0213 eucjis2004", NULL},
    {CHARSET_ICONV, "UTF-7", "utf7 unicode11utf7 xunicode11utf7 xunicode20utf7 csunicode11utf7",
     NULL},
    {CHARSET_ICONV, "UTF-32", "utf32 ucs4 iso10646ucs4", NULL},
    {CHARSET_ICONV, "UTF-32BE", "utf32be", NULL},
    {CHARSET_ICONV, "UTF-32LE", "utf32le", NULL},
    {CHARSET_SINGLE, "IBM437", "437 cp437 ibm437 cspc8codepage437 dos437 xcp437", NULL},
    {CHARSET_SINGLE, "CP737", "737 cp737 ibm737 dos737", NULL},
    {CHARSET_SINGLE, "CP775", "775 cp775 ibm775 dos775", NULL},
    {CHARSET_SINGLE, "IBM850", "850 cp850 ibm850 cspc850multilingual dos850 xcp850", NULL},
    {CHARSET_SINGLE, "IBM852", "852 cp852 ibm852 cspcp852 dos852 xcp852", NULL},
    {CHARSET_SINGLE, "IBM855", "855 cp855 ibm855 dos855", NULL},
    {CHARSET_SINGLE, "IBM857", "857 cp857 ibm857 dos857", NULL},
    {CHARSET_SINGLE, "CP858", "858 cp858 ibm858 cp00858 dos858", NULL},
    {CHARSET_SINGLE, "IBM860", "860 cp860 ibm860", NULL},
    {CHARSET_SINGLE, "IBM861", "861 cp861 ibm861", NULL},
    {CHARSET_SINGLE, "IBM862", "862 cp862 ibm862 dos862", NULL},
    {CHARSET_SINGLE, "IBM863", "863 cp863 ibm863", NULL},
    {CHARSET_SINGLE, "IBM864", "864 cp864 ibm864", NULL},
    {CHARSET_SINGLE, "IBM865", "865 cp865 ibm865", NULL},
    {CHARSET_SINGLE, "IBM869", "869 cp869 ibm869", NULL},
    {CHARSET_SINGLE, "CP1125", "cp1125 ibm1125 cp866u", NULL},
    {CHARSET_SINGLE, "MAC-CENTRALEUROPE", "xmacce maccentraleurope xmaccentraleurope", NULL},
    {CHARSET_SINGLE, "VISCII", "viscii csviscii", NULL},
    {CHARSET_SINGLE, "TCVN5712-1", "tcvn tcvn5712 tcvn57121", NULL},
    {CHARSET_SINGLE, "ARMSCII-8", "armscii8", NULL},
    {CHARSET_SINGLE, "GEORGIAN-PS", "georgianps", NULL},
    {CHARSET_SINGLE, "GEORGIAN-ACADEMY", "georgianacademy", NULL},
    {CHARSET_SINGLE, "KOI8-T", "koi8t", NULL},
    {CHARSET_SINGLE, "PT154", "pt154 ptcp154 cp154", NULL},
    {CHARSET_SINGLE, "HP-ROMAN8", "hproman8 roman8 r8", NULL},
    {CHARSET_SINGLE, "IBM037", "ibm037 cp037", NULL},
    {CHARSET_SINGLE, "IBM500", "ibm500 cp500", NULL},
};

#define COUNT (sizeof charsets / sizeof *charsets)

/* --- Names --- */

struct label {
    const char *text;
    size_t size;
    const struct charset *charset;
};

static struct label labels[512];
static size_t label_count;

static int by_text(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

static void sort_labels(void)
{
    for (size_t i = 0; i < COUNT; i++)
        for (const char *at = charsets[i].labels; *at && label_count < 512;) {
            size_t size = strcspn(at, " ");
            labels[label_count++] = (struct label){at, size, &charsets[i]};
            at += size + strspn(at + size, " ");
        }
    qsort(labels, label_count, sizeof *labels, by_text);
}

/* Only letters and digits, lower case: so "ISO_8859-1:1987" and "iso8859-1" are alike. */
static size_t fold(const char *name, char folded[NAME_MAX_SIZE])
{
    size_t used = 0;
    for (; *name && used < NAME_MAX_SIZE; name++)
        if (isalnum((unsigned char)*name))
            folded[used++] = (char)tolower((unsigned char)*name);
    return used;
}

static const struct charset *find_folded(const char *folded, size_t size)
{
    struct label wanted = {folded, size, NULL};
    const struct label *found = bsearch(&wanted, labels, label_count, sizeof *labels, by_text);
    return found ? found->charset : NULL;
}

/* "x-windows-cp1252", "dos-850", "x-iso8859-2": families that are named in many ways. */
static const struct charset *find_family(const char *folded, size_t size)
{
    static const char *const ways[][2] = {{"xwindowscp", "cp"}, {"windowscp", "cp"},
                                          {"xwindows", "cp"},   {"windows", "cp"},
                                          {"xwin", "cp"},       {"win", "cp"},
                                          {"mscp", "cp"},       {"ms", "cp"},
                                          {"xcp", "cp"},        {"xibm", "cp"},
                                          {"ibm", "cp"},        {"xdos", "cp"},
                                          {"dos", "cp"},        {"x", ""}};
    char other[NAME_MAX_SIZE + 8];
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (size == 0 || ways[i][0][0] != *folded)
            continue;
        size_t prefix = strlen(ways[i][0]), used = strlen(ways[i][1]);
        if (size <= prefix || memcmp(folded, ways[i][0], prefix) != 0)
            continue;
        memcpy(other, ways[i][1], used);
        memcpy(other + used, folded + prefix, size - prefix);
        const struct charset *found = find_folded(other, used + size - prefix);
        if (found)
            return found;
    }
    return NULL;
}

const struct charset *charset_find(const char *name)
{
    static pthread_once_t sorted = PTHREAD_ONCE_INIT;
    char folded[NAME_MAX_SIZE];
    if (!name || !*name || strlen(name) >= NAME_MAX_SIZE)
        return NULL;
    pthread_once(&sorted, sort_labels);
    size_t size = fold(name, folded);
    const struct charset *found = find_folded(folded, size);
    return found ? found : find_family(folded, size);
}

/* --- iconv --- */

static atomic_uintptr_t kept[COUNT]; /* 0: none */

iconv_t charset_take_iconv(const struct charset *charset)
{
    uintptr_t taken = atomic_exchange(&kept[charset - charsets], 0);
    if (!taken)
        return iconv_open("UTF-8", charset->iconv);
    iconv_t found = (iconv_t)taken;
    iconv(found, NULL, NULL, NULL, NULL);
    return found;
}

void charset_give_iconv(const struct charset *charset, iconv_t given)
{
    uintptr_t before = atomic_exchange(&kept[charset - charsets], (uintptr_t)given);
    if (before)
        iconv_close((iconv_t)before);
}

/* --- Tables --- */

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(uint32_t *) tables[COUNT], jis0208, jis0212, fours;

/* The code points of one character's bytes; 0 where iconv does not have it. */
static uint32_t code_of(iconv_t converter, const char *bytes, size_t size)
{
    uint32_t out[4];
    char *in = (char *)bytes, *to = (char *)out;
    size_t room = sizeof out;
    iconv(converter, NULL, NULL, NULL, NULL);
    if (iconv(converter, &in, &size, &to, &room) == (size_t)-1 || size > 0)
        return 0;
    iconv(converter, NULL, NULL, &to, &room);
    size_t count = (size_t)(to - (char *)out) / sizeof *out;
    if (count == 2)
        return CHARSET_PAIR | out[0] << 16 | out[1];
    return count == 1 ? out[0] : 0;
}

static void fill_single(iconv_t converter, uint32_t *table)
{
    for (unsigned i = 0; i < 256; i++) {
        char byte = (char)i;
        table[i] = code_of(converter, &byte, 1);
    }
}

static void fill_double(iconv_t converter, uint32_t *table)
{
    for (unsigned lead = DOUBLE_LEAD; lead < 0xFF; lead++)
        for (unsigned trail = DOUBLE_TRAIL; trail < 0xFF; trail++) {
            char pair[] = {(char)lead, (char)trail};
            uint32_t code = code_of(converter, pair, 2);
            /* Two characters of a byte each are no pair. */
            *table++ = code & CHARSET_PAIR && (code & 0xFFFF) < 0x300 ? 0 : code;
        }
}

static void fill_jis0208(iconv_t converter, uint32_t *table)
{
    for (unsigned row = 0; row < 94; row++)
        for (unsigned cell = 0; cell < 94; cell++) {
            unsigned lead = row / 2 + (row < 62 ? 0x81 : 0xC1);
            unsigned trail = row % 2 ? cell + 0x9F : cell + 0x40 + (cell >= 0x3F);
            char pair[] = {(char)lead, (char)trail};
            *table++ = code_of(converter, pair, 2);
        }
}

static void fill_jis0212(iconv_t converter, uint32_t *table)
{
    for (unsigned row = 0; row < 94; row++)
        for (unsigned cell = 0; cell < 94; cell++) {
            char three[] = {(char)0x8F, (char)(row + 0xA1), (char)(cell + 0xA1)};
            *table++ = code_of(converter, three, 3);
        }
}

static void fill_fours(iconv_t converter, uint32_t *table)
{
    for (unsigned i = 0; i < FOURS; i++) {
        char four[] = {(char)(i / 12600 + 0x81), (char)(i / 1260 % 10 + 0x30),
                       (char)(i / 10 % 126 + 0x81), (char)(i % 10 + 0x30)};
        table[i] = code_of(converter, four, 4);
    }
}

static void patch_windows(uint32_t *table)
{
    for (unsigned i = 0x80; i < 0xA0; i++)
        if (table[i] == 0)
            table[i] = i;
}

static void set_double(uint32_t *table, unsigned pair, uint32_t code)
{
    table[((pair >> 8) - DOUBLE_LEAD) * DOUBLE_WIDTH + (pair & 0xFF) - DOUBLE_TRAIL] = code;
}

/* Where the Encoding Standard says other than iconv. */
static void patch(const struct charset *charset, uint32_t *table)
{
    if (!charset->patch)
        return;
    if (strcmp(charset->patch, "windows") == 0)
        patch_windows(table);
    if (strcmp(charset->patch, "koi8-u") == 0) {
        table[0xAE] = 0x45E;
        table[0xBE] = 0x40E;
    }
    if (strcmp(charset->patch, "macintosh") == 0) {
        table[0xC6] = 0x2206;
        table[0xDB] = 0x20AC;
        table[0xF0] = 0xF8FF;
    }
    if (strcmp(charset->patch, "x-mac-cyrillic") == 0) {
        table[0xA2] = 0x490;
        table[0xB6] = 0x491;
        table[0xFF] = 0x20AC;
    }
    for (unsigned i = 0x80; strcmp(charset->patch, "x-user-defined") == 0 && i < 256; i++)
        table[i] = 0xF700 + i;
    if (strcmp(charset->patch, "gb18030") == 0)
        set_double(table, 0xA3A0, 0x3000);
}

static uint32_t *make(const char *name, size_t size, void (*fill)(iconv_t, uint32_t *))
{
    iconv_t converter = iconv_open("WCHAR_T", name);
    uint32_t *table = converter != (iconv_t)-1 ? calloc(size, sizeof *table) : NULL;
    if (table)
        fill(converter, table);
    if (converter != (iconv_t)-1)
        iconv_close(converter);
    return table;
}

static const uint32_t *once(_Atomic(uint32_t *) *slot, const struct charset *charset,
                            const char *name, size_t size, void (*fill)(iconv_t, uint32_t *))
{
    uint32_t *table = atomic_load_explicit(slot, memory_order_acquire);
    if (table)
        return table;
    pthread_mutex_lock(&making);
    table = atomic_load_explicit(slot, memory_order_acquire);
    if (!table) {
        table = make(name, size, fill);
        if (table && charset)
            patch(charset, table);
        atomic_store_explicit(slot, table, memory_order_release);
    }
    pthread_mutex_unlock(&making);
    return table;
}

const uint32_t *charset_table(const struct charset *charset)
{
    bool single = charset->kind == CHARSET_SINGLE;
    return once(&tables[charset - charsets], charset, charset->iconv, single ? 256 : DOUBLE_SIZE,
                single ? fill_single : fill_double);
}

const uint32_t *charset_jis0208(void)
{
    return once(&jis0208, NULL, "CP932", (size_t)94 * 94, fill_jis0208);
}

const uint32_t *charset_jis0212(void)
{
    return once(&jis0212, NULL, "EUC-JP-MS", (size_t)94 * 94, fill_jis0212);
}

const uint32_t *charset_fours(void)
{
    return once(&fours, NULL, "GB18030", FOURS, fill_fours);
}
