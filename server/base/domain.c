#include "domain.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ascii.h"

#define IDN_MAX 1024 /* octets that are worth converting: UTF-8 takes more than A-labels do */

static const char too_long[] = "longer than 255 octets";

/* Without a final dot. NULL, or why not. */
static const char *copy_lower(const char *domain, char out[DOMAIN_SIZE])
{
    size_t size = strlen(domain);
    if (size > 1 && domain[size - 1] == '.')
        size--;
    if (size >= DOMAIN_SIZE)
        return too_long;
    for (size_t i = 0; i < size; i++)
        out[i] = ascii_lower(domain[i]);
    out[size] = 0;
    return NULL;
}

/* Of IPv6 there are many ways to write one address. */
static void fold_literal(char literal[DOMAIN_SIZE])
{
    static const char tag[] = "[ipv6:";
    unsigned char address[16];
    char text[INET6_ADDRSTRLEN];
    size_t size = strlen(literal);
    if (strncmp(literal, tag, sizeof tag - 1) != 0 || literal[size - 1] != ']')
        return;
    literal[size - 1] = 0;
    if (inet_pton(AF_INET6, literal + sizeof tag - 1, address) == 1 &&
        inet_ntop(AF_INET6, address, text, sizeof text))
        snprintf(literal, DOMAIN_SIZE, "%s%s", tag, text);
    strcat(literal, "]");
}

const char *domain_to_ascii(const char *domain, char out[DOMAIN_SIZE])
{
    char *converted = NULL;
    if (is_ascii(domain)) {
        const char *wrong = copy_lower(domain, out);
        if (!wrong && *out == '[')
            fold_literal(out);
        return wrong;
    }
    if (strlen(domain) >= IDN_MAX)
        return too_long;
    int code = idn2_to_ascii_8z(domain, &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (code != IDN2_OK)
        return idn2_strerror(code);
    const char *wrong = copy_lower(converted, out);
    idn2_free(converted);
    if (!wrong && (*out == '.' || strstr(out, "..")))
        return "a label is empty";
    return wrong;
}

void domain_to_unicode(const char *domain, char out[DOMAIN_SIZE])
{
    char *converted = NULL, back[DOMAIN_SIZE];
    bool fine = idn2_to_unicode_8z8z(domain, &converted, 0) == IDN2_OK &&
                strlen(converted) < DOMAIN_SIZE && !domain_to_ascii(converted, back) &&
                strcasecmp(back, domain) == 0;
    snprintf(out, DOMAIN_SIZE, "%s", fine ? converted : domain);
    idn2_free(converted);
}

bool domain_fold_address(const char *address, char *out, size_t size)
{
    char domain[DOMAIN_SIZE];
    const char *at = strrchr(address, '@');
    size_t local = at ? (size_t)(at - address) : strlen(address);
    bool converted = at && domain_to_ascii(at + 1, domain) == NULL;
    const char *rest = converted ? domain : at ? at + 1 : "";
    if (local + (at != NULL) + strlen(rest) >= size)
        return false;
    for (size_t i = 0; i < local; i++)
        out[i] = ascii_lower(address[i]);
    snprintf(out + local, size - local, "%s%s", at ? "@" : "", rest);
    return true;
}

bool domain_unfold_address(const char *address, char *out, size_t size)
{
    char domain[DOMAIN_SIZE] = "";
    const char *at = strrchr(address, '@');
    int local = at ? (int)(at - address) : (int)strlen(address);
    if (at)
        domain_to_unicode(at + 1, domain);
    int length = snprintf(out, size, "%.*s%s%s", local, address, at ? "@" : "", domain);
    return length >= 0 && (size_t)length < size;
}

bool domain_address_to_ascii(const char *address, char *out, size_t size)
{
    char domain[DOMAIN_SIZE];
    const char *at = strrchr(address, '@');
    bool converts = at && !is_ascii(at + 1) && domain_to_ascii(at + 1, domain) == NULL;
    int local = at ? (int)(at + 1 - address) : 0;
    int length = converts ? snprintf(out, size, "%.*s%s", local, address, domain)
                          : snprintf(out, size, "%s", address);
    return length >= 0 && (size_t)length < size;
}
