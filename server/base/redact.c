#include "redact.h"

#include <string.h>

/* RFC 3986 section 3.2.1: userinfo ends at the authority's last '@'. */
size_t redact_userinfo(const char *url, const char **rest)
{
    const char *scheme_end = strstr(url, "://");
    const char *authority =
        scheme_end && scheme_end < url + strcspn(url, "?#") ? scheme_end + 3 : url;
    const char *path = authority + strcspn(authority, "/?#");
    *rest = authority;
    for (const char *p = authority; p < path && authority > url; p++)
        if (*p == '@')
            *rest = p + 1;
    return (size_t)(authority - url);
}

void redact_url(const char *url, char shown[REDACT_SIZE])
{
    const char *rest;
    size_t scheme_size = redact_userinfo(url, &rest);
    size_t size = scheme_size < REDACT_SIZE ? scheme_size : REDACT_SIZE - 1;
    size_t rest_size = strcspn(rest, "?#"), room = REDACT_SIZE - 1 - size;
    rest_size = rest_size < room ? rest_size : room;
    memcpy(shown, url, size);
    memcpy(shown + size, rest, rest_size);
    shown[size + rest_size] = 0;
}
