#include "redact.h"

#include <stdio.h>
#include <string.h>

void redact_url(const char *url, char shown[REDACT_SIZE])
{
    size_t size = strcspn(url, "?#");
    const char *scheme_end = strstr(url, "://");
    const char *host = scheme_end && scheme_end < url + size ? scheme_end + 3 : url;
    const char *path = host + strcspn(host, "/?#");
    size_t scheme_size = (size_t)(host - url);
    for (const char *p = host; p < path && scheme_size > 0; p++)
        if (*p == '@')
            host = p + 1;
    snprintf(shown, REDACT_SIZE, "%.*s%.*s", (int)scheme_size, url, (int)(url + size - host), host);
}
