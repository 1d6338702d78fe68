/*
 * What is refused before anything is asked.
 *
 * libmicrohttpd takes some requests that two programs may read in two ways, such as two Content-Lengths, a length and a
 * Transfer-Encoding, two Hosts, a name with a space behind it (RFC 9112, 5.1, 6.3). Those are 400, and the connection is
 * closed; so it is after any request with a body.
 * Loopback protects nothing from a browser: a page of anywhere can send requests here. So the Host must be one of
 * ours (else a name of theirs could lead here), and a change must come from our own page, or from a program.
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"

#define URL_MAX 2048

/* ---- Headers ---- */

/* Of these a request has one at most: what reads another one than we do would see another request. */
enum once { HOST, LENGTH, ENCODING, TYPE, AUTHORIZATION, ORIGIN, SITE, COOKIES, ONCE };

static const char *const once[ONCE] = {"Host",           "Content-Length", "Transfer-Encoding",
                                       "Content-Type",   "Authorization",  "Origin",
                                       "Sec-Fetch-Site", "Cookie"};

struct heads {
    int count[ONCE];
    bool odd; /* a name that is none, or a NUL in a value, where C ends it */
};

static bool is_token(const char *name, size_t size)
{
    return size > 0 && strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == size;
}

static enum MHD_Result note_header(void *context, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size)
{
    struct heads *heads = context;
    (void)kind;
    heads->odd |= !is_token(name, name_size) || (value && strlen(value) != value_size);
    for (int i = 0; i < ONCE; i++)
        heads->count[i] += strcasecmp(name, once[i]) == 0;
    return MHD_YES;
}

static const char *header(struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static bool is_ambiguous(struct request *request, const char *version)
{
    struct heads heads = {0};
    const char *encoding = header(request, "Transfer-Encoding");
    MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, note_header, &heads);
    request->closes |= heads.count[LENGTH] > 0 || heads.count[ENCODING] > 0;
    for (int i = 0; i < ONCE; i++)
        heads.odd |= heads.count[i] > 1;
    return heads.odd || heads.count[HOST] != 1 ||
           (encoding && (heads.count[LENGTH] > 0 || strcasecmp(encoding, "chunked") != 0 ||
                         strcmp(version, "HTTP/1.0") == 0));
}

/* ---- Where the request thinks it goes, and where it comes from ---- */

/* Without the port. False: it is neither a name nor an address, with a port or without (RFC 3986, 3.2). */
static bool host_name(const char *host, char name[256])
{
    const char *end = host[0] == '[' ? strchr(host, ']') : host + strcspn(host, ":");
    if (!end)
        return false;
    const char *port = end + (*end == ']');
    size_t size = (size_t)(end - host) - (host[0] == '[');
    snprintf(name, 256, "%.*s", size < 255 ? (int)size : 255, host + (host[0] == '['));
    return size > 0 && size < 255 && (!*port || *port == ':') &&
           strspn(port + (*port == ':'), "0123456789") == strlen(port + (*port == ':')) &&
           (host[0] == '[') == (strchr(name, ':') != NULL) && !strchr(name, '%');
}

/* An address cannot be made to lead elsewhere, as a name of somebody else's can. */
static bool is_numeric(const char *name)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *found;
    if (getaddrinfo(name, NULL, &hints, &found) != 0)
        return false;
    freeaddrinfo(found);
    return strspn(name, "0123456789.") == strlen(name) || strchr(name, ':');
}

static bool is_our_host(struct request *request)
{
    char name[256];
    const struct admin_config *config = &request->config->admin;
    if (request->peer->local)
        return true;
    if (!host_name(header(request, "Host"), name))
        return false;
    if (strcasecmp(name, "localhost") == 0 || is_numeric(name))
        return true;
    for (size_t i = 0; i < config->host_count; i++)
        if (strcasecmp(config->hosts[i], name) == 0)
            return true;
    return false;
}

/* What browsers say of a request, and pages cannot. */
static bool is_from_elsewhere(struct request *request)
{
    const char *site = header(request, "Sec-Fetch-Site");
    return site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
}

static bool may_change(struct request *request)
{
    const char *type = header(request, "Content-Type");
    const char *site = header(request, "Sec-Fetch-Site");
    if (!type || strncasecmp(type, "application/json", 16) != 0 || (type[16] && type[16] != ';'))
        return false;
    if (site)
        return strcmp(site, "same-origin") == 0;
    return !header(request, "Origin") && (request->peer->local || header(request, "Authorization"));
}

/* True: it goes on. */
static bool admit(struct request *request, const char *version)
{
    bool known = false;
    if (is_ambiguous(request, version))
        response_error(request, 400,
                       "a Host, one length or none, and each header once is what a request has");
    else if (request->peer->nul)
        response_error(request, 404, "nothing is there");
    else if (!is_our_host(request))
        response_error(request, 421, "no such host here: see admin.hosts");
    else if (strlen(request->path) > URL_MAX)
        response_error(request, 414, "the address is too long");
    else if (!(request->route = route_find(request->path, request->post, &known)))
        response_error(request, known ? 405 : 404,
                       known ? "not by this method" : "nothing is there");
    else if (is_from_elsewhere(request) && strncmp(request->path, "/api/", 5) == 0)
        response_error(request, 403, "from another site");
    else if (request->post && !may_change(request))
        response_error(
            request, 403,
            "a change comes from the console, or from a program: with a token (Authorization: "
            "Bearer), or by the Unix-domain socket; as application/json");
    else if (!login_check(request))
        return false;
    else
        return true;
    return false;
}

static bool has_too_much(struct request *request)
{
    const char *length = header(request, "Content-Length");
    return length && strtoull(length, NULL, 10) > ADMIN_BODY_MAX;
}

bool request_admit(struct request *request, const char *method, const char *version)
{
    if (!request->post && !request->head && strcmp(method, "GET") != 0)
        response_error(request, 405, "GET and POST are what is understood");
    else if (admit(request, version) && has_too_much(request))
        response_error(request, 413, "more than %u bytes", ADMIN_BODY_MAX);
    request->refused = request->response.status >= 400;
    return !request->refused;
}
