#include "origin.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FNV_OFFSET 14695981039346656037ull /* FNV-1a, 64 bits */
#define FNV_PRIME  1099511628211ull

struct authority {
    const char *scheme, *host, *port; /* in the URL, not ended by NUL */
    size_t scheme_size, host_size, port_size;
};

/* RFC 3986 section 3.2: scheme "://" [ userinfo "@" ] host [ ":" port ]. */
static bool split(const char *url, struct authority *a)
{
    const char *colon = strstr(url, "://");
    if (!colon || colon == url)
        return false;
    a->scheme = url;
    a->scheme_size = (size_t)(colon - url);
    const char *start = colon + 3, *end = start + strcspn(start, "/?#");
    for (const char *p = start; p < end; p++)
        if (*p == '@')
            start = p + 1;
    const char *host_end = end;
    const char *from = *start == '[' ? memchr(start, ']', (size_t)(end - start)) : start;
    const char *port = from ? memchr(from, ':', (size_t)(end - from)) : NULL;
    if (port)
        host_end = port;
    a->host = start;
    a->host_size = (size_t)(host_end - start);
    a->port = port ? port + 1 : end;
    a->port_size = (size_t)(end - a->port);
    return a->host_size > 0;
}

static size_t put_lower(char *out, size_t used, const char *text, size_t size)
{
    for (size_t i = 0; i < size && used < ORIGIN_SIZE - 1; i++)
        out[used++] = (char)tolower((unsigned char)text[i]);
    return used;
}

static const char *default_port(const char *scheme, size_t size)
{
    static const struct {
        const char *scheme, *port;
    } ports[] = {{"https", "443"}, {"smtp", "25"}, {"smtps", "465"}};
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
        if (strlen(ports[i].scheme) == size && memcmp(scheme, ports[i].scheme, size) == 0)
            return ports[i].port;
    return "80";
}

void origin_of(const char *url, char origin[ORIGIN_SIZE])
{
    struct authority a;
    size_t used;
    if (split(url, &a)) {
        used = put_lower(origin, 0, a.scheme, a.scheme_size);
        const char *port = default_port(origin, used);
        used = put_lower(origin, used, "://", 3);
        used = put_lower(origin, used, a.host, a.host_size);
        used = put_lower(origin, used, ":", 1);
        if (a.port_size > 0)
            used = put_lower(origin, used, a.port, a.port_size);
        else
            used = put_lower(origin, used, port, strlen(port));
    } else {
        used = put_lower(origin, 0, url, strlen(url));
    }
    origin[used] = 0;
}

uint64_t origin_key(const char *url)
{
    char origin[ORIGIN_SIZE];
    origin_of(url, origin);
    uint64_t hash = FNV_OFFSET;
    for (const unsigned char *p = (const unsigned char *)origin; *p; p++)
        hash = (hash ^ *p) * FNV_PRIME;
    return hash >> 1; /* fits a signed column, and is never negative */
}
