/* Where a destination is: a URL or an e-mail address, checked. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "../base/ascii.h"
#include "../base/path.h"
#include "destination_fields.h"
#include "destination_read.h"

#define ZONE_MAX 15 /* of an IPv6 address, as the names of interfaces */

/* ---- URLs ---- */

/* Starts this text with that scheme, in any case (RFC 3986 section 3.1)? */
static const char *skip_scheme(const char *url, const char *scheme)
{
    size_t size = strlen(scheme);
    return strncasecmp(url, scheme, size) == 0 ? url + size : NULL;
}

/* A URL without the password that it may hold: this goes to logs. */
static int bad_url(struct error *why, const char *url, const char *what)
{
    const char *at = strchr(url, '@');
    return error_set(why, -EINVAL, "'%.80s': %s", at ? "(URL with a password)" : url, what);
}

/* 1 to 65535 in digits */
static bool is_port(const char *text, size_t size)
{
    unsigned port = 0;
    if (size == 0 || size > 5)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    return port >= 1 && port <= 65535;
}

/* "[2001:db8::1]", with a zone (RFC 6874) as libcurl takes it: "[fe80::1%25eth0]", "[fe80::1%eth0]". */
static bool is_literal(const char *text, size_t size)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr parsed;
    if (size < 4 || text[size - 1] != ']')
        return false;
    const char *zone = memchr(text, '%', size);
    size_t address_size = zone ? (size_t)(zone - text) - 1 : size - 2;
    if (address_size >= sizeof address)
        return false;
    memcpy(address, text + 1, address_size);
    address[address_size] = 0;
    if (zone) {
        zone += strncmp(zone, "%25", 3) == 0 && zone[3] != ']' ? 3 : 1;
        size_t zone_size = (size_t)(text + size - 1 - zone);
        for (size_t i = 0; i < zone_size; i++)
            if (!isalnum((unsigned char)zone[i]))
                return false;
        if (zone_size == 0 || zone_size > ZONE_MAX)
            return false;
    }
    return inet_pton(AF_INET6, address, &parsed) == 1;
}

static bool is_host(const char *text, size_t size)
{
    if (size == 0 || size > 255)
        return false;
    if (text[0] == '[')
        return is_literal(text, size);
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-._", text[i]))
            return false;
    return text[0] != '.' && text[0] != '-';
}

/* RFC 3986 section 3.2: [userinfo "@"] host [":" port]. Readers differ on which of several "@" ends the
 * userinfo, and so on the host. */
static const char *check_authority(const char *text, size_t size)
{
    const char *at = memrchr(text, '@', size);
    const char *host = at ? at + 1 : text;
    if (at && memchr(text, '@', (size_t)(at - text)))
        return "it has more than one '@': write those of a user or password as %40";
    size -= (size_t)(host - text);
    const char *bracket = memchr(host, ']', size);
    const char *after = bracket ? bracket : host;
    const char *colon = memchr(after, ':', size - (size_t)(after - host));
    if (colon && !is_port(colon + 1, size - (size_t)(colon + 1 - host)))
        return "its port is not 1 to 65535";
    if (!is_host(host, colon ? (size_t)(colon - host) : size))
        return "it has no valid host";
    return NULL;
}

/* "." and "..", also percent-encoded: who sends the request, or who takes it, may leave them out and
 * what stands before them (RFC 3986 section 5.2.4; WHATWG URL, "double-dot path segment"). */
static bool is_dot_segment(const char *segment, size_t size)
{
    size_t dots = 0;
    for (; size > 0; dots++) {
        size_t dot = *segment == '.' ? 1 : size >= 3 && strncasecmp(segment, "%2e", 3) == 0 ? 3 : 0;
        if (dot == 0)
            return false;
        segment += dot;
        size -= dot;
    }
    return dots == 1 || dots == 2;
}

static bool has_dot_segment(const char *path)
{
    size_t end = strcspn(path, "?#");
    for (size_t at = 0; at < end;) {
        size_t size = strcspn(path + at, "/?#");
        if (is_dot_segment(path + at, size))
            return true;
        at += size + 1;
    }
    return false;
}

static int check_url(const char *url, size_t size, struct error *why)
{
    if (size > DESTINATION_MAX_URL)
        return error_set(why, -EINVAL, "a URL of %zu bytes; the limit is %d", size,
                         DESTINATION_MAX_URL);
    for (size_t i = 0; i < size; i++)
        if (url[i] <= ' ' || url[i] >= 0x7f || strchr("\"<>\\^`{|}", url[i]))
            return error_set(why, -EINVAL,
                             "a URL with a character at %zu that must be percent-encoded", i + 1);
    const char *rest = skip_scheme(url, "https://");
    if (!rest)
        rest = skip_scheme(url, "http://");
    if (!rest)
        return bad_url(
            why, url,
            "a URL that begins with http:// or https://, or an e-mail address, was expected");
    const char *fault = check_authority(rest, strcspn(rest, "/?#"));
    if (!fault && has_dot_segment(rest + strcspn(rest, "/?#")))
        fault = "a segment of its path is '.' or '..', which would make it another path";
    return fault ? bad_url(why, url, fault) : 0;
}

/* ---- E-mail addresses ---- */

/* DNS is asked for the domain as it stands: so it is in ASCII, and no address literal. */
static int check_domain(const char *address, const char *domain, struct error *why)
{
    if (*domain == '[')
        return error_set(why, -EINVAL, "'%.80s': a domain was expected after '@', not an address",
                         address);
    if (!is_ascii(domain))
        return error_set(why, -EINVAL, "'%.80s': write its domain in its ASCII form (xn--...)",
                         address);
    return 0;
}

static int check_address(const char *text, size_t size, struct error *why)
{
    char path[PATH_MAX_OCTETS + 1];
    struct path parsed;
    if (size > PATH_MAX_OCTETS - 2)
        return error_set(why, -EINVAL, "an e-mail address of %zu bytes; the limit is %d", size,
                         PATH_MAX_OCTETS - 2);
    path[0] = '<';
    memcpy(path + 1, text, size);
    memcpy(path + 1 + size, ">", 2);
    const char *end = path_parse(path, PATH_FORWARD, &parsed);
    if (!end || *end || !parsed.domain || strcmp(parsed.address, text) != 0)
        return error_set(why, -EINVAL, "'%.80s': not an e-mail address", text);
    return check_domain(text, parsed.domain, why);
}

int destination_check_target(const char *text, size_t size, struct error *why)
{
    if (size == 0)
        return error_set(why, -EINVAL, "an empty destination");
    if (strlen(text) == size && strchr(text, '@') && !strstr(text, "://"))
        return check_address(text, size, why);
    return check_url(text, size, why);
}
