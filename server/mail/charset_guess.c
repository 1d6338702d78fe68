/* charset_guess.c - what text is taken for of which nothing is known. */
#include "charset.h"

#include <string.h>

static void look_at_lead(struct charset_evidence *e, uint8_t byte)
{
    e->low = 0x80;
    e->high_byte = 0xBF;
    e->need = byte >= 0xC2 && byte <= 0xDF ? 1 : byte >= 0xE0 && byte <= 0xEF ? 2 : 0;
    if (byte >= 0xF0 && byte <= 0xF4)
        e->need = 3;
    if (byte == 0xE0)
        e->low = 0xA0; /* shorter forms exist */
    else if (byte == 0xED)
        e->high_byte = 0x9F; /* surrogates */
    else if (byte == 0xF0)
        e->low = 0x90;
    else if (byte == 0xF4)
        e->high_byte = 0x8F; /* past U+10FFFF */
}

static void look_at_high(struct charset_evidence *e, uint8_t byte)
{
    e->high = true;
    if (e->need > 0 && byte >= e->low && byte <= e->high_byte) {
        e->low = 0x80;
        e->high_byte = 0xBF;
        e->multibyte = --e->need == 0;
    } else {
        look_at_lead(e, byte);
    }
}

/* ESC $ @, ESC $ B, ESC $ ( D and ESC ( I: nobody has them in other text. */
static void look_at_ascii(struct charset_evidence *e, uint8_t byte)
{
    e->need = 0;
    if (byte == 0x1B)
        e->escape = 1;
    else if (e->escape == 1 && (byte == '$' || byte == '('))
        e->escape = byte == '$' ? 2 : 3;
    else if (e->escape == 2 && byte == '(')
        e->escape = 4;
    else {
        e->escapes |= (e->escape == 2 && (byte == '@' || byte == 'B')) ||
                      (e->escape == 3 && byte == 'I') || (e->escape == 4 && byte == 'D');
        e->escape = 0;
    }
}

void charset_look(struct charset_evidence *e, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && !e->multibyte; i++) {
        uint64_t eight;
        while (e->need == 0 && e->escape == 0 && size - i >= sizeof eight) {
            memcpy(&eight, bytes + i, sizeof eight);
            uint64_t escape = eight ^ UINT64_C(0x1B1B1B1B1B1B1B1B); /* a zero byte for each ESC */
            if ((eight | ((escape - UINT64_C(0x0101010101010101)) & ~escape)) &
                UINT64_C(0x8080808080808080))
                break;
            i += sizeof eight;
        }
        if (i == size)
            break;
        if ((uint8_t)bytes[i] >= 0x80)
            look_at_high(e, (uint8_t)bytes[i]);
        else
            look_at_ascii(e, (uint8_t)bytes[i]);
    }
}

const char *charset_of_evidence(const struct charset_evidence *e)
{
    if (e->multibyte)
        return "utf-8";
    if (e->high)
        return "windows-1252";
    return e->escapes ? "iso-2022-jp" : NULL;
}

const char *charset_guess(const char *bytes, size_t size)
{
    struct charset_evidence evidence = {0};
    charset_look(&evidence, bytes, size);
    return charset_of_evidence(&evidence);
}
