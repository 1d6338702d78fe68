/*
 * charset_names.h - the charsets that are known, and their characters.
 *
 * A charset is found by its name, and decoded by what kind it is. Tables are made of glibc's iconv at
 * the first use, once for the process, and kept: so a name in a message costs no more than a look-up.
 */
#ifndef MXHOOK_MAIL_CHARSET_NAMES_H
#define MXHOOK_MAIL_CHARSET_NAMES_H

#include <iconv.h>
#include <stdbool.h>
#include <stdint.h>

enum charset_kind {
    CHARSET_SINGLE,  /* a byte a character */
    CHARSET_DOUBLE,  /* ASCII, and pairs of bytes from 0x81: Big5, EUC-KR */
    CHARSET_GB18030, /* the same, and fours */
    CHARSET_SJIS,
    CHARSET_EUC_JP,
    CHARSET_2022_JP,
    CHARSET_HZ, /* RFC 1843 */
    CHARSET_UTF16,
    CHARSET_ICONV, /* what is left to iconv as it stands */
};

/* Tables hold code points; 0: none. Two in one: PAIR | first << 16 | second. */
#define CHARSET_PAIR UINT32_C(0x80000000)
#define DOUBLE_LEAD  0x81
#define DOUBLE_TRAIL 0x40
#define DOUBLE_WIDTH (0xFF - DOUBLE_TRAIL)
#define DOUBLE_SIZE  ((0xFF - DOUBLE_LEAD) * DOUBLE_WIDTH)
#define FOURS        39420 /* of GB18030 that stand for the BMP */

struct charset {
    enum charset_kind kind;
    const char *iconv;  /* what iconv calls it */
    const char *labels; /* in lower case, letters and digits only */
    const char *patch;  /* where the standard differs from iconv: patch() in charset_names.c */
};

/* NULL: not in the list, or it declares nothing. */
const struct charset *charset_find(const char *name);

/* The table of a charset: 256 code points of a SINGLE, DOUBLE_SIZE of a DOUBLE, GB18030 or SJIS. NULL:
 * no memory. Any thread. */
const uint32_t *charset_table(const struct charset *charset);
/* 94 x 94: JIS X 0208 with Microsoft's rows; JIS X 0212. FOURS of GB18030. NULL: no memory. Any thread. */
const uint32_t *charset_jis0208(void);
const uint32_t *charset_jis0212(void);
const uint32_t *charset_fours(void);

/* An iconv converter of a CHARSET_ICONV, as new; one is kept between uses. (iconv_t)-1: errno. */
iconv_t charset_take_iconv(const struct charset *charset);
void charset_give_iconv(const struct charset *charset, iconv_t iconv);

#endif
