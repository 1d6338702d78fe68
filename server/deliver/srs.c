#include "srs.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../base/path.h"

#define DAY       86400
#define DAYS      1024 /* of two characters */
#define DAY_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

/* ---- Hashes ---- */

/* Over the parts in lower case, one after the other. False: no memory. */
static bool hash_of(const char *key, const char *parts, char hash[SRS_HASH_SIZE + 1])
{
    unsigned char lower[SRS_SIZE + 8], digest[20], text[32];
    size_t size = strlen(parts);
    unsigned digest_size;
    if (size > sizeof lower)
        return false;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)parts[i];
        lower[i] = c < 0x80 ? (unsigned char)tolower(c) : c;
    }
    if (!HMAC(EVP_sha1(), key, (int)strlen(key), lower, size, digest, &digest_size))
        return false;
    EVP_EncodeBlock(text, digest, (int)digest_size);
    memcpy(hash, text, SRS_HASH_SIZE);
    hash[SRS_HASH_SIZE] = 0;
    return true;
}

/* `given` is `size` bytes; takes as long whatever they are. */
static bool is_hash(const char *key, const char *parts, const char *given, size_t size)
{
    char right[SRS_HASH_SIZE + 1], lower[SRS_HASH_SIZE];
    if (size != SRS_HASH_SIZE || !hash_of(key, parts, right))
        return false;
    for (size_t i = 0; i < SRS_HASH_SIZE; i++) {
        right[i] = (char)tolower((unsigned char)right[i]);
        lower[i] = (char)tolower((unsigned char)given[i]);
    }
    return CRYPTO_memcmp(right, lower, SRS_HASH_SIZE) == 0;
}

/* ---- Days ---- */

static void day_text(int64_t now, char text[3])
{
    int64_t day = now / DAY % DAYS;
    text[0] = DAY_CHARS[day / 32];
    text[1] = DAY_CHARS[day % 32];
    text[2] = 0;
}

/* -1: it is none. */
static int day_number(const char *text)
{
    const char *high = text[0] ? strchr(DAY_CHARS, toupper((unsigned char)text[0])) : NULL;
    const char *low = high && text[1] ? strchr(DAY_CHARS, toupper((unsigned char)text[1])) : NULL;
    return low ? (int)(high - DAY_CHARS) * 32 + (int)(low - DAY_CHARS) : -1;
}

static bool is_recent(const struct forward_config *config, int day, int64_t now)
{
    int64_t age = (now / DAY % DAYS - day + DAYS) % DAYS;
    return age <= config->srs_valid_ms / 1000 / DAY;
}

/* ---- Addresses ---- */

/* An address in pieces; a quoted local part without its quotes and backslashes: what it means (RFC
 * 5321 section 4.1.2). */
struct address {
    char local[SRS_SIZE];
    const char *domain;
};

static bool split(const char *text, struct address *a)
{
    const char *at = strrchr(text, '@');
    size_t size = at ? (size_t)(at - text) : 0, used = 0;
    if (size == 0 || size >= sizeof a->local)
        return false;
    a->domain = at + 1;
    bool quoted = text[0] == '"' && size >= 2 && at[-1] == '"';
    for (const char *c = text + quoted; c < at - quoted; c++) {
        if (quoted && *c == '\\' && c + 1 < at - 1)
            c++;
        a->local[used++] = *c;
    }
    a->local[used] = 0;
    return *a->domain;
}

/* What follows "SRS0" or "SRS1": with the separator, of which any of three may be in use. NULL: it
 * does not begin so. */
static const char *skip_tag(const char *local, char digit)
{
    bool is = strncasecmp(local, "SRS", 3) == 0 && local[3] == digit && local[4] &&
              strchr("=+-", local[4]);
    return is ? local + 4 : NULL;
}

/* Dot-string (RFC 5321 section 4.1.2, RFC 6531 section 3.3). */
static bool is_dot_string(const char *local)
{
    size_t size = strlen(local);
    if (size == 0 || local[0] == '.' || local[size - 1] == '.' || strstr(local, ".."))
        return false;
    for (; *local; local++)
        if ((unsigned char)*local < 0x80 && !isalnum((unsigned char)*local) &&
            !strchr(".!#$%&'*+-/=?^_`{|}~", *local))
            return false;
    return true;
}

/* The local part quoted where it has to be. False: too long for any path, or no address. */
static bool join(char out[SRS_SIZE], const char *local, const char *domain)
{
    char quoted[2 * SRS_SIZE + 3];
    size_t used = 0;
    if (!is_dot_string(local)) {
        quoted[used++] = '"';
        for (const char *c = local; *c && used < sizeof quoted - 3; c++) {
            if (*c == '"' || *c == '\\')
                quoted[used++] = '\\';
            quoted[used++] = *c;
        }
        quoted[used++] = '"';
        quoted[used] = 0;
        local = quoted;
    }
    int size = snprintf(out, SRS_SIZE, "%s@%s", local, domain);
    return size > 0 && size < SRS_SIZE;
}

/* ---- There ---- */

/* The local part of SRS1, for host "a" and the rest "=HASH=..." of an SRS0, or the same of another
 * SRS1. */
static bool wrap(const char *key, const char *host, const char *rest, char *local, size_t size)
{
    char parts[2 * SRS_SIZE], hash[SRS_HASH_SIZE + 1];
    snprintf(parts, sizeof parts, "%s%s", host, rest);
    if (!hash_of(key, parts, hash))
        return false;
    return (size_t)snprintf(local, size, "SRS1=%s=%s=%s", hash, host, rest) < size;
}

static bool is_domain(const char *text)
{
    char mailbox[SRS_SIZE + 4];
    struct path path;
    snprintf(mailbox, sizeof mailbox, "<x@%s>", text);
    const char *end = path_parse(mailbox, PATH_FORWARD, &path);
    return end && !*end;
}

static bool rewrite_again(const struct forward_config *config, const struct address *a, char *local,
                          size_t size)
{
    const char *rest = skip_tag(a->local, '0');
    if (rest)
        return wrap(config->srs_secret, a->domain, rest, local, size);
    /* SRS1=THEIRS=host=REST: their hash is replaced by ours. Where the host is us, the way back is by them,
     * so that it does not lead from us to us. Of another shape it is no more than a name,
     * and what would come back were nobody's address. */
    char host[SRS_SIZE];
    const char *hash_end = strchr(skip_tag(a->local, '1') + 1, '=');
    const char *host_end = hash_end ? strchr(hash_end + 1, '=') : NULL;
    if (!host_end || !host_end[1] || !strchr("=+-", host_end[1]))
        return false;
    snprintf(host, sizeof host, "%.*s", (int)(host_end - hash_end - 1), hash_end + 1);
    return is_domain(host) && strcasecmp(host, config->srs_domain) != 0 &&
           wrap(config->srs_secret, host, host_end + 1, local, size);
}

static bool rewrite_first(const char *key, const struct address *a, int64_t now, char *local,
                          size_t size)
{
    char day[3], parts[2 * SRS_SIZE], hash[SRS_HASH_SIZE + 1];
    day_text(now, day);
    snprintf(parts, sizeof parts, "%s%s%s", day, a->domain, a->local);
    if (!hash_of(key, parts, hash))
        return false;
    return (size_t)snprintf(local, size, "SRS0=%s=%s=%s=%s", hash, day, a->domain, a->local) < size;
}

void srs_rewrite(const struct forward_config *config, const char *sender, int64_t now,
                 char out[SRS_SIZE])
{
    struct address a;
    char local[SRS_SIZE];
    bool is_srs, done = false;
    snprintf(out, SRS_SIZE, "%s", sender);
    if (!config->srs_secret || !split(sender, &a) || strcasecmp(a.domain, config->srs_domain) == 0)
        return;
    if (strchr(a.domain, '=')) /* of a literal: it would end the domain on the way back */
        return;
    is_srs = skip_tag(a.local, '0') || skip_tag(a.local, '1');
    if (is_srs)
        done = rewrite_again(config, &a, local, sizeof local);
    if (!done)
        done = rewrite_first(config->srs_secret, &a, now, local, sizeof local);
    if (!done || !join(out, local, config->srs_domain))
        snprintf(out, SRS_SIZE, "%s", sender);
}

/* ---- And back ---- */

/* "=HASH=DAY=domain=local" */
static enum srs_answer reverse_first(const struct forward_config *config, const char *rest,
                                     int64_t now, char out[SRS_SIZE])
{
    char parts[2 * SRS_SIZE], domain[SRS_SIZE];
    const char *hash = rest + 1;
    const char *day = strchr(hash, '='), *name = day ? strchr(day + 1, '=') : NULL;
    const char *local = name ? strchr(name + 1, '=') : NULL;
    if (!local || name - day != 3 || local == name + 1)
        return SRS_FORGED;
    snprintf(domain, sizeof domain, "%.*s", (int)(local - name - 1), name + 1);
    snprintf(parts, sizeof parts, "%.2s%s%s", day + 1, domain, local + 1);
    int number = day_number(day + 1);
    if (!is_hash(config->srs_secret, parts, hash, (size_t)(day - hash)) || number < 0 ||
        !join(out, local + 1, domain))
        return SRS_FORGED;
    return is_recent(config, number, now) ? SRS_VALID : SRS_EXPIRED;
}

/* "=HASH=host=REST". When it was made, the other forwarder knows. */
static enum srs_answer reverse_again(const struct forward_config *config, const char *rest,
                                     char out[SRS_SIZE])
{
    char parts[2 * SRS_SIZE], host[SRS_SIZE], local[SRS_SIZE];
    const char *hash = rest + 1;
    const char *name = strchr(hash, '='), *inner = name ? strchr(name + 1, '=') : NULL;
    if (!inner || !inner[1] || inner == name + 1)
        return SRS_FORGED;
    snprintf(host, sizeof host, "%.*s", (int)(inner - name - 1), name + 1);
    snprintf(parts, sizeof parts, "%s%s", host, inner + 1);
    snprintf(local, sizeof local, "SRS0%.240s", inner + 1);
    if (!is_hash(config->srs_secret, parts, hash, (size_t)(name - hash)) || !join(out, local, host))
        return SRS_FORGED;
    return SRS_VALID;
}

enum srs_answer srs_reverse(const struct forward_config *config, const char *recipient, int64_t now,
                            char out[SRS_SIZE])
{
    struct address a;
    const char *rest;
    if (!config->srs_secret || !split(recipient, &a) ||
        strcasecmp(a.domain, config->srs_domain) != 0)
        return SRS_NONE;
    if ((rest = skip_tag(a.local, '0')))
        return reverse_first(config, rest, now, out);
    if ((rest = skip_tag(a.local, '1')))
        return reverse_again(config, rest, out);
    return SRS_NONE;
}
