/* Which fields of an incoming message pass for ours. */
#include <fnmatch.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../base/ascii.h"
#include "../scan/result.h"
#include "buffer.h"
#include "provenance.h"
#include "words.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

/* --- An authserv-id (RFC 8601 section 2.2) --- */

static bool is_name_char(char c)
{
    return c && strchr(NAME_CHARS, c);
}

/* White space and comments (RFC 5322 section 3.2.2), which can nest. One that does not end reaches
 * to the end. */
static const char *skip_cfws(const char *at, const char *end)
{
    unsigned depth = 0;
    for (; at < end; at++) {
        if (*at == '(')
            depth++;
        else if (*at == ')' && depth > 0)
            depth--;
        else if (*at == '\\' && depth > 0 && end - at > 1)
            at++;
        else if (depth == 0 && !is_space(*at))
            break;
    }
    return at;
}

/* A token or a quoted string; what it means goes to `id`. False: none, or one that is too long for
 * any host. */
static bool read_value(const char **at, const char *end, char *id, size_t capacity)
{
    size_t size = 0;
    bool quoted = *at < end && **at == '"';
    for (*at += quoted; *at < end && size < capacity - 1; ++*at) {
        if (quoted ? **at == '"' : !is_name_char(**at) && (unsigned char)**at < 0x80)
            break;
        if (quoted && **at == '\\' && end - *at > 1)
            ++*at;
        id[size++] = **at;
    }
    id[size] = 0;
    if (quoted && (*at == end || **at != '"'))
        return false;
    *at += quoted;
    return size > 0 && strlen(id) == size;
}

/* What may stand between the authserv-id and the results: a version. */
static bool ends_id(const char *at, const char *end)
{
    const char *after = skip_cfws(at, end);
    if (after > at)
        while (after < end && *after >= '0' && *after <= '9')
            after++;
    after = skip_cfws(after, end);
    return after == end || *after == ';';
}

/* The name of a host as DNS has it (RFC 5890); NULL: it is none. The caller frees it. */
static char *host_name(char *id)
{
    size_t size = strlen(id);
    while (size > 0 && id[size - 1] == '.') /* names the same host */
        id[--size] = 0;
    char *name = size > 0 && g_utf8_validate(id, -1, NULL) ? g_hostname_to_ascii(id) : NULL;
    if (name && name[strspn(name, NAME_CHARS)] == 0)
        return name;
    g_free(name);
    return NULL;
}

/* Reads it by the grammar; NULL: it cannot be read so. */
static char *read_authserv_id(const char *at, const char *end)
{
    char id[300]; /* more than a host's name can have (RFC 1035 section 2.3.4) */
    return read_value(&at, end, id, sizeof id) && ends_id(at, end) ? host_name(id) : NULL;
}

/* --- What cannot be read --- */

/* The first `;` that stands neither in a comment nor in quotes, or the end. */
static const char *find_semicolon(const char *at, const char *end)
{
    bool quoted = false;
    for (; at < end; at++) {
        if (!quoted && *at == '(') {
            at = skip_cfws(at, end);
            if (at == end)
                break;
        }
        if (*at == '\\' && quoted && end - at > 1)
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (*at == ';' && !quoted)
            break;
    }
    return at;
}

/* Without what a reader may not see or may skip: control characters, spaces, quotes, all beyond
 * ASCII, and comments where they are `skipped`. NULL: no memory. */
static char *seen_of(const char *at, const char *end, bool skipped)
{
    char *seen = malloc((size_t)(end - at) + 1);
    size_t size = 0;
    while (seen && at < end) {
        if (skipped && *at == '(') {
            at = skip_cfws(at, end);
            continue;
        }
        if (*at > ' ' && *at < 0x7f && *at != '"' && *at != '\\')
            seen[size++] = *at;
        at++;
    }
    if (seen)
        seen[size] = 0;
    return seen;
}

static bool holds_name(const char *at, const char *end, const char *hostname)
{
    char *all = seen_of(at, end, false), *outside = seen_of(at, end, true);
    bool found = !all || !outside || /* rather one too many goes */
                 strcasestr(all, hostname) || strcasestr(outside, hostname);
    free(all);
    free(outside);
    return found;
}

/* Is it ours but for characters that are not ASCII, which few can tell from it? */
static bool looks_like(const char *at, const char *end, const char *hostname)
{
    const char *stop = at;
    while (stop < end && !is_space(*stop) && *stop != ';' && *stop != '(')
        stop++;
    char *seen = seen_of(at, stop, false);
    bool found = !seen || strcasecmp(seen, hostname) == 0;
    free(seen);
    return found;
}

/* `value` as it stands. */
static bool names_host(const char *value, size_t size, const char *hostname)
{
    const char *end = value + size, *at = skip_cfws(value, end);
    while (at < end && *at == ';') /* empty elements */
        at = skip_cfws(at + 1, end);
    char *id = read_authserv_id(at, end);
    bool found = id ? strcasecmp(id, hostname) == 0 || looks_like(at, end, hostname)
                    : holds_name(value, find_semicolon(at, end), hostname);
    g_free(id);
    return found;
}

bool provenance_claims(const char *value, size_t size, const char *hostname)
{
    struct buffer decoded = {0};
    if (names_host(value, size, hostname))
        return true;
    if (!memmem(value, size, "=?", 2))
        return false;
    /* As a reader sees it who decodes first. */
    bool found = words_decode(&decoded, value, size) != 0 ||
                 names_host(decoded.bytes ? decoded.bytes : "", decoded.size, hostname);
    buffer_free(&decoded);
    return found;
}

/* --- Received-SPF (RFC 7208 section 9.1) --- */

/* Copies what a reader sees, other characters as spaces; NULL: no memory. */
static char *visible(const char *value, size_t size)
{
    char *text = malloc(size + 1);
    size_t used = 0;
    for (size_t i = 0; text && i < size; i++)
        if ((unsigned char)value[i] < 0x80 && value[i] != '\\')
            text[used++] = value[i] > ' ' && value[i] < 0x7f ? value[i] : ' ';
    if (text)
        text[used] = 0;
    return text;
}

/* Is it a whole name, and not an address's domain? */
static bool is_word(const char *text, const char *at, size_t size)
{
    bool begins = at == text || (!is_name_char(at[-1]) && at[-1] != '@');
    size_t dot = at[size] == '.';
    return begins && !is_name_char(at[size + dot]);
}

static bool spf_names_host(const char *value, size_t size, const char *hostname)
{
    char *text = visible(value, size);
    bool found = !text;
    for (const char *at = text; at && !found && (at = strcasestr(at, hostname)); at++)
        found = is_word(text, at, strlen(hostname));
    free(text);
    return found;
}

/* --- All --- */

/* Most do not, by their first letter, which fnmatch() takes longer to find out. */
static bool may_match(const char *glob, const char *name)
{
    return strchr("*?[", *glob) || (*glob & 0x80) ||
           g_ascii_tolower(*glob) == g_ascii_tolower(*name);
}

static bool is_listed(const char *name, const struct receiver *receiver)
{
    for (size_t i = 0; i < receiver->reserved_count; i++)
        if (may_match(receiver->reserved[i], name) &&
            fnmatch(receiver->reserved[i], name, FNM_CASEFOLD | FNM_NOESCAPE) == 0)
            return true;
    return false;
}

static bool is_name(const char *name, size_t size, const char *other)
{
    return strlen(other) == size && strncasecmp(name, other, size) == 0;
}

static bool is_among(const char *name, size_t size, const char *const *others, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_name(name, size, others[i]))
            return true;
    return false;
}

static const char *const scanners[] = {"X-Spam-Status", "X-Spam-Score", "X-Spam-Action", "X-Virus"};
#define SCANNERS (sizeof scanners / sizeof *scanners)

bool provenance_writes(const char *name, size_t size)
{
    static const char *const ours[] = {"X-Forwarding-Service", "Delivered-To", "Received-SPF",
                                       "Authentication-Results"};
    return is_among(name, size, ours, sizeof ours / sizeof *ours) ||
           is_among(name, size, scanners, SCANNERS);
}

bool provenance_is_scanners(const char *name, size_t size, const struct receiver *receiver)
{
    const struct scan_result *scan = receiver->scan;
    return (receiver->scans && is_among(name, size, scanners, SCANNERS)) ||
           (scan && is_among(name, size, scan->removed, scan->removed_count));
}

bool provenance_is_reserved(const struct header *header, const struct receiver *receiver)
{
    static const char *const ours[] = {"X-Forwarding-Service", "Delivered-To"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strcasecmp(header->name, ours[i]) == 0)
            return true;
    if (strcasecmp(header->name, "Authentication-Results") == 0 &&
        provenance_claims(header->value, header->value_size, receiver->hostname))
        return true;
    if (strcasecmp(header->name, "Received-SPF") == 0 &&
        spf_names_host(header->value, header->value_size, receiver->hostname))
        return true;
    return provenance_is_scanners(header->name, strlen(header->name), receiver) ||
           is_listed(header->name, receiver);
}
