#include "name.h"

#include <ctype.h>
#include <stdio.h>

#include "../base/ascii.h"
#include "../base/domain.h"

/* A backslash would begin an escape in a name's text form; no host is called so. */
static bool ascii_name(const char *name, char out[DNS_NAME_MAX + 1])
{
    size_t label = 0, size = 0;
    for (; *name; name++) {
        unsigned char byte = (unsigned char)*name;
        if (byte == '.' && name[1] == 0 && label > 0)
            break;
        if (byte <= ' ' || byte >= 127 || byte == '\\' || size == DNS_NAME_MAX)
            return false;
        label = byte == '.' ? 0 : label + 1;
        if (label > DNS_LABEL_MAX || (byte == '.' && (size == 0 || out[size - 1] == '.')))
            return false;
        out[size++] = (char)tolower(byte);
    }
    out[size] = 0;
    return size > 0 && out[size - 1] != '.';
}

bool dns_name(const char *name, char out[DNS_NAME_MAX + 1])
{
    char ascii[DOMAIN_SIZE];
    if (is_ascii(name))
        return ascii_name(name, out);
    return domain_to_ascii(name, ascii) == NULL && ascii_name(ascii, out);
}

bool dns_reverse_name(const unsigned char *address, size_t size, const char *zone,
                      char out[DNS_NAME_MAX + 1])
{
    size_t used = 0;
    for (size_t i = size; i-- > 0;) /* 64 characters at most */
        used += (size_t)snprintf(out + used, DNS_NAME_MAX + 1 - used, size == 4 ? "%u." : "%x.%x.",
                                 size == 4 ? address[i] : address[i] & 15u, address[i] >> 4);
    return snprintf(out + used, DNS_NAME_MAX + 1 - used, "%s", zone) <= (int)(DNS_NAME_MAX - used);
}
