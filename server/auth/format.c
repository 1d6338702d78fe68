#include "format.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/path.h"
#include "../base/printable.h"

/* A text that grows; once it cannot, it stays as it is and `failed`. */
struct text {
    char *bytes;
    size_t size, capacity;
    bool failed;
};

static void put(struct text *text, const char *bytes, size_t size)
{
    if (text->failed)
        return;
    if (size >= text->capacity - text->size) {
        size_t capacity = 2 * (text->size + size) + 256;
        char *grown = realloc(text->bytes, capacity);
        if (!grown) {
            text->failed = true;
            return;
        }
        text->bytes = grown;
        text->capacity = capacity;
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = 0;
}

static void say(struct text *text, const char *words)
{
    put(text, words, strlen(words));
}

/* A character, after a backslash where it is one of `special`; "?" where it may not be shown. Returns
 * its bytes. */
static size_t say_character(struct text *text, const char *at, const char *special)
{
    size_t shown = printable(at, strlen(at)), size = shown > 0 ? shown : utf8_length(at);
    if (strchr(special, *at))
        put(text, "\\", 1);
    put(text, shown > 0 ? at : "?", shown > 0 ? shown : 1);
    return size > 0 ? size : 1;
}

/* How much of the text is shown as it stands: ASCII, without what needs a backslash. */
static size_t plain_size(const char *words, const char *special)
{
    size_t size = 0;
    while (words[size] >= ' ' && words[size] < 0x7f && !strchr(special, words[size]))
        size++;
    return size;
}

static void say_escaped(struct text *text, const char *words, const char *special)
{
    while (*words) {
        size_t plain = plain_size(words, special);
        put(text, words, plain);
        words += plain;
        if (*words)
            words += say_character(text, words, special);
    }
}

/* Inside of a comment (RFC 5322 section 3.2.2). A semicolon ends nothing there, nor does a quote, but
 * for readers who split before they look. */
static void say_comment(struct text *text, const char *words)
{
    say_escaped(text, words, "();\\\"");
}

/* A value: as it is where it is a name or a number, else quoted. */
static void say_value(struct text *text, const char *value)
{
    static const char atom[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (*value && value[strspn(value, atom)] == 0) {
        say(text, value);
        return;
    }
    put(text, "\"", 1);
    say_escaped(text, value, "\"();\\");
    put(text, "\"", 1);
}

static void say_property(struct text *text, const char *name, const char *value)
{
    if (!*value)
        return;
    say(text, " ");
    say(text, name);
    say(text, "=");
    say_value(text, value);
}

/* --- SPF --- */

/* "domain of example.com designates 192.0.2.1 as permitted sender": in `words` %d is the domain,
 * %i the client, %r the reason. */
static void say_words(struct text *text, const char *words, const struct spf_result *spf,
                      const char *client_ip)
{
    for (const char *sign; (sign = strchr(words, '%')); words = sign + 2) {
        put(text, words, (size_t)(sign - words));
        say_comment(text, sign[1] == 'd'   ? spf->domain
                          : sign[1] == 'i' ? client_ip
                          : spf->reason    ? spf->reason
                                           : "");
    }
    say(text, words);
}

static const char *spf_words(const struct spf_result *spf)
{
    switch (spf->code) {
    case AUTH_PASS: return "domain of %d designates %i as permitted sender";
    case AUTH_FAIL: return "domain of %d does not designate %i as permitted sender";
    case AUTH_SOFTFAIL:
        return "domain of transitioning %d does not designate %i as permitted sender";
    case AUTH_NEUTRAL: return "%i is neither permitted nor denied by domain of %d";
    case AUTH_TEMPERROR: return "temporary error in processing domain of %d: %r";
    case AUTH_PERMERROR: return "permanent error in processing domain of %d: %r";
    default:
        return *spf->domain && !spf->reason
                   ? "domain of %d does not designate permitted sender hosts"
                   : "%r";
    }
}

static void say_spf(struct text *text, const struct spf_result *spf,
                    const struct format_input *input)
{
    say(text, auth_code_name(spf->code));
    say(text, " (");
    say_comment(text, input->hostname);
    say(text, ": ");
    say_words(text, spf_words(spf), spf, input->client_ip);
    say(text, ")");
}

static void say_received_spf(struct text *text, const struct auth_result *result,
                             const struct format_input *input)
{
    say_spf(text, &result->spf, input);
    say(text, " receiver=");
    say_value(text, input->hostname);
    if (*input->client_ip) { /* not by a Unix-domain socket */
        say(text, "; client-ip=");
        say(text, input->client_ip);
    }
    say(text, "; helo=");
    say_value(text, input->helo);
    say(text, ";");
}

/* --- Authentication-Results --- */

static void say_reason(struct text *text, const char *reason)
{
    if (!reason)
        return;
    say(text, " (");
    say_comment(text, reason);
    say(text, ")");
}

static void say_dkim(struct text *text, const struct dkim_result *dkim)
{
    say(text, "; dkim=");
    say(text, auth_code_name(dkim->code));
    say_reason(text, dkim->reason);
    say_property(text, "header.d", dkim->domain);
    say_property(text, "header.s", dkim->selector);
    say_property(text, "header.a", dkim->algorithm);
    say_property(text, "header.b", dkim->signature);
}

static void say_dmarc(struct text *text, const struct dmarc_result *dmarc)
{
    say(text, "; dmarc=");
    say(text, auth_code_name(dmarc->code));
    if (dmarc->policy) {
        say(text, " (p=");
        say(text, dmarc->policy);
        say(text, dmarc->reason ? ", " : "");
        say_comment(text, dmarc->reason ? dmarc->reason : "");
        say(text, ")");
    } else {
        say_reason(text, dmarc->reason);
    }
    say_property(text, "header.from", dmarc->domain);
}

/* The name is of no use to who reads results for a verdict: it is a comment (section 2.7.3). */
static void say_iprev(struct text *text, const struct iprev_result *iprev,
                      const struct format_input *input)
{
    if (iprev->code == AUTH_NONE)
        return;
    say(text, "; iprev=");
    say(text, auth_code_name(iprev->code));
    say_reason(text, iprev->name ? iprev->name : iprev->reason);
    say_property(text, "policy.iprev", input->client_ip);
}

static void say_results(struct text *text, const struct auth_result *result,
                        const struct format_input *input)
{
    say_value(text, input->hostname);
    say(text, "; spf=");
    say_spf(text, &result->spf, input);
    say_property(text, result->spf.helo ? "smtp.helo" : "smtp.mailfrom", result->spf.domain);
    if (result->dkim_count == 0)
        say(text, "; dkim=none");
    for (size_t i = 0; i < result->dkim_count; i++)
        say_dkim(text, &result->dkim[i]);
    say_dmarc(text, &result->dmarc);
    say_iprev(text, &result->iprev, input);
}

int format_result(struct auth_result *result, const struct format_input *input)
{
    struct text spf = {0}, all = {0};
    say_received_spf(&spf, result, input);
    say_results(&all, result, input);
    if (!spf.failed && !all.failed) {
        result->received_spf = arena_strndup(result->arena, spf.bytes, spf.size);
        result->authentication_results = arena_strndup(result->arena, all.bytes, all.size);
    }
    free(spf.bytes);
    free(all.bytes);
    return result->received_spf && result->authentication_results ? 0 : -ENOMEM;
}
