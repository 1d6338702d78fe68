#include "spf_macro.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../dns/name.h"

#define VALUE_MAX 1024 /* bytes of one macro's value; paths in SMTP are shorter */
#define PARTS_MAX (VALUE_MAX + 1)

/* What is written, and what did not fit. */
struct output {
    char *bytes;
    size_t size;
    bool full;
};

static void put(struct output *out, const char *bytes, size_t size)
{
    if (size > SPF_EXPANDED_MAX - out->size) {
        out->full = true;
        return;
    }
    memcpy(out->bytes + out->size, bytes, size);
    out->size += size;
}

/* Bytes that stand for themselves in a URL (RFC 3986 section 2.3). */
static void put_escaped(struct output *out, const char *bytes, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        char escape[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        bool plain = byte < 128 && (isalnum(byte) || strchr("-._~", byte));
        put(out, plain ? bytes + i : escape, plain ? 1 : sizeof escape);
    }
}

/* --- Values --- */

/* IPv4 as it is; IPv6 as nibbles with dots (section 7.3). */
static void write_address(const struct spf_macros *macros, char out[VALUE_MAX + 1])
{
    if (!macros->ipv6) {
        inet_ntop(AF_INET, macros->address, out, VALUE_MAX);
        return;
    }
    size_t size = 0;
    for (size_t i = 0; i < 16; i++)
        size += (size_t)snprintf(out + size, VALUE_MAX - size, "%s%x.%x", i ? "." : "",
                                 macros->address[i] >> 4, macros->address[i] & 15);
}

static int write_value(const struct spf_macros *macros, char letter, char out[VALUE_MAX + 1])
{
    const char *name;
    int code = 0;
    switch (letter) {
    case 's': snprintf(out, VALUE_MAX, "%s@%s", macros->local, macros->sender_domain); break;
    case 'l': snprintf(out, VALUE_MAX, "%s", macros->local); break;
    case 'o': snprintf(out, VALUE_MAX, "%s", macros->sender_domain); break;
    case 'd': snprintf(out, VALUE_MAX, "%s", macros->domain); break;
    case 'i': write_address(macros, out); break;
    case 'c': inet_ntop(macros->ipv6 ? AF_INET6 : AF_INET, macros->address, out, VALUE_MAX); break;
    case 'p':
        code = macros->client_name(macros->context, macros->domain, &name);
        if (code == 0)
            snprintf(out, VALUE_MAX, "%s", name);
        break;
    case 'h': snprintf(out, VALUE_MAX, "%s", macros->helo); break;
    case 'r': snprintf(out, VALUE_MAX, "%s", macros->receiver); break;
    case 't': snprintf(out, VALUE_MAX, "%" PRId64, macros->now); break;
    case 'v': snprintf(out, VALUE_MAX, "%s", macros->ipv6 ? "ip6" : "in-addr"); break;
    default: return -EINVAL;
    }
    return code;
}

/* --- Transformers (section 7.1) --- */

struct macro_part {
    const char *at;
    size_t size;
};

static size_t split(const char *value, const char *delimiters, struct macro_part parts[PARTS_MAX])
{
    size_t count = 0;
    for (;;) {
        size_t size = strcspn(value, delimiters);
        parts[count++] = (struct macro_part){value, size};
        if (!value[size])
            return count;
        value += size + 1;
    }
}

struct macro {
    char letter;
    bool escape;
    size_t keep; /* parts from the right; 0: all */
    bool reverse;
    char delimiters[16];
};

static void put_parts(struct output *out, const struct macro *macro, const char *value)
{
    struct macro_part parts[PARTS_MAX];
    size_t count = split(value, macro->delimiters, parts);
    size_t keep = macro->keep && macro->keep < count ? macro->keep : count;
    for (size_t i = count - keep; i < count; i++) {
        const struct macro_part *part = &parts[macro->reverse ? count - 1 - i : i];
        if (i > count - keep)
            put(out, ".", 1);
        if (macro->escape)
            put_escaped(out, part->at, part->size);
        else
            put(out, part->at, part->size);
    }
}

/* Reads what stands after "%{", which is known to be valid; returns what follows the "}". */
static const char *read_macro(const char *at, struct macro *macro)
{
    size_t count = 0;
    *macro = (struct macro){.letter = (char)tolower((unsigned char)*at),
                            .escape = isupper((unsigned char)*at) != 0};
    for (at++; isdigit((unsigned char)*at); at++)
        if (macro->keep <= VALUE_MAX)
            macro->keep = macro->keep * 10 + (size_t)(*at - '0');
    if (*at == 'r' || *at == 'R') {
        macro->reverse = true;
        at++;
    }
    for (; *at != '}'; at++)
        if (!strchr(macro->delimiters, *at) && count < sizeof macro->delimiters - 1)
            macro->delimiters[count++] = *at;
    if (count == 0)
        macro->delimiters[0] = '.';
    return at + 1;
}

int spf_expand(const struct spf_macros *macros, const char *text, size_t size,
               char out[SPF_EXPANDED_MAX + 1])
{
    struct output output = {.bytes = out};
    for (const char *at = text, *end = text + size; at < end;) {
        if (*at != '%') {
            put(&output, at++, 1);
        } else if (at[1] == '{') {
            char value[VALUE_MAX + 1];
            struct macro macro;
            at = read_macro(at + 2, &macro);
            int code = write_value(macros, macro.letter, value);
            if (code < 0)
                return code;
            put_parts(&output, &macro, value);
        } else {
            const char *literal = at[1] == '%' ? "%" : at[1] == '_' ? " " : "%20";
            put(&output, literal, strlen(literal));
            at += 2;
        }
    }
    out[output.size] = 0;
    return output.full ? -E2BIG : 0;
}

int spf_expand_name(const struct spf_macros *macros, const char *text, size_t size,
                    char out[SPF_EXPANDED_MAX + 1])
{
    int code = spf_expand(macros, text, size, out);
    if (code < 0)
        return code;
    char *start = out, *dot;
    size_t length = strlen(out);
    if (length > 0 && out[length - 1] == '.')
        out[--length] = 0;
    while (length > DNS_NAME_MAX && (dot = strchr(start, '.'))) {
        length -= (size_t)(dot + 1 - start);
        start = dot + 1;
    }
    memmove(out, start, length + 1);
    return 0;
}
