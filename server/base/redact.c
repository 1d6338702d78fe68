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
    size_t scheme = redact_userinfo(url, &rest), more = strcspn(rest, "?#");
    scheme = scheme < REDACT_SIZE ? scheme : REDACT_SIZE - 1;
    more = more < REDACT_SIZE - scheme ? more : REDACT_SIZE - scheme - 1;
    memcpy(shown, url, scheme);
    memcpy(shown + scheme, rest, more);
    shown[scheme + more] = 0;
}
