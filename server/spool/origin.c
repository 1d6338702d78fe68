#include "origin.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../base/siphash.h"

/* Numbers are stored and shared by nodes, so this key is no secret. It keeps apart what one knows
 * how to make collide under a plain hash, such as FNV. */
static const uint64_t hash_key[2] = {0x6d78686f6f6b2d6f, 0x726967696e2d6b65};

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

void host_of(const char *url, char host[ORIGIN_SIZE])
{
    struct authority a;
    const char *at = strrchr(url, '@');
    size_t used = 0;
    if (split(url, &a))
        used = put_lower(host, 0, a.host, a.host_size);
    else if (at)
        used = put_lower(host, 0, at + 1, strlen(at + 1));
    host[used] = 0;
}

/* RFC 3986 section 3: the path is what follows the authority, up to the query. */
void lane_of(const char *url, char lane[LANE_SIZE])
{
    origin_of(url, lane);
    const char *path = strstr(url, "://");
    if (!path)
        return;
    path += 3 + strcspn(path + 3, "/?#");
    size_t used = strlen(lane), size = strcspn(path, "?#");
    if (size == 0)
        path = "/", size = 1;
    if (size > LANE_SIZE - 1 - used)
        size = LANE_SIZE - 1 - used;
    memcpy(lane + used, path, size);
    lane[used + size] = 0;
}

static uint64_t stored(uint64_t hash)
{
    return hash >> 1; /* fits a signed column */
}

uint64_t origin_key(const char *url)
{
    char origin[ORIGIN_SIZE];
    origin_of(url, origin);
    return stored(siphash(hash_key, origin, strlen(origin)));
}

uint64_t lane_key(const char *url)
{
    struct authority a;
    const uint64_t key[2] = {hash_key[0], origin_key(url)};
    if (!split(url, &a))
        return stored(siphash(key, "", 0));
    const char *path = a.port + a.port_size;
    size_t size = strcspn(path, "?#");
    return stored(size > 0 ? siphash(key, path, size) : siphash(key, "/", 1));
}
