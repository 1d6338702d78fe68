#include "dnsbl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_code(const struct record *record)
{
    const unsigned char *a = (const unsigned char *)record->data;
    return record->size == 4 && a[0] == 127 && !(a[1] == 255 && a[2] == 255);
}

static const char *write_address(const struct record *record, struct arena *arena)
{
    const unsigned char *a = (const unsigned char *)record->data;
    char text[16];
    snprintf(text, sizeof text, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
    return arena_strdup(arena, text);
}

static size_t count_codes(const struct dns_answer *answer)
{
    size_t count = 0;
    for (size_t i = 0; i < answer->count; i++)
        count += is_code(&answer->records[i]);
    return count < DNSBL_CODES_MAX ? count : DNSBL_CODES_MAX;
}

static int keep_codes(const struct dns_answer *answer, size_t count, struct arena *arena,
                      struct dnsbl_result *out)
{
    const char **codes = arena_alloc(arena, count * sizeof *codes);
    if (!codes)
        return -ENOMEM;
    for (size_t i = 0; i < answer->count && out->code_count < count; i++) {
        if (!is_code(&answer->records[i]))
            continue;
        codes[out->code_count] = write_address(&answer->records[i], arena);
        if (!codes[out->code_count++])
            return -ENOMEM;
    }
    out->codes = codes;
    return 0;
}

/* The list's text ends up in a reply and in the log: one line of printable ASCII. */
static int keep_reason(const struct dns_answer *text, struct arena *arena, struct dnsbl_result *out)
{
    if (text->count == 0 || text->records[0].size == 0)
        return 0;
    size_t size = text->records[0].size;
    char *reason = arena_strndup(arena, text->records[0].data,
                                 size < DNSBL_REASON_MAX ? size : DNSBL_REASON_MAX);
    if (!reason)
        return -ENOMEM;
    for (char *at = reason; *at; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    out->reason = reason;
    return 0;
}

/* Why an answer without a code is no answer. */
static int keep_error(const struct dns_answer *answer, struct arena *arena,
                      struct dnsbl_result *out)
{
    const unsigned char *a = (const unsigned char *)answer->records[0].data;
    char text[80];
    out->refused = a[0] == 127;
    snprintf(text, sizeof text,
             out->refused ? "the list refuses to answer: %u.%u.%u.%u"
                          : "the answer %u.%u.%u.%u is not one of a blocklist",
             a[0], a[1], a[2], a[3]);
    out->error = arena_strdup(arena, text);
    return out->error ? 0 : -ENOMEM;
}

int dnsbl_check(const char *zone, const unsigned char *address, size_t size,
                struct lookups *lookups, struct arena *arena, struct dnsbl_result *out)
{
    char name[DNS_NAME_MAX + 1];
    const struct dns_answer *answer, *text = NULL;
    *out = (struct dnsbl_result){.zone = zone};
    if (!dns_reverse_name(address, size, zone, name))
        return 0; /* config.c takes no such zone */
    int code = lookups_get(lookups, name, RECORD_A, &answer);
    if (code == -E2BIG || (code == 0 && answer->status == DNS_FAILED)) {
        out->failed = true;
        out->error = "DNS look-up failed";
        return 0;
    }
    if (code < 0 || answer->status == DNS_NONE)
        return code;
    size_t count = count_codes(answer);
    if (count == 0)
        return keep_error(answer, arena, out);
    code = lookups_get(lookups, name, RECORD_TXT, &text);
    if (code == -EAGAIN || code == -ENOMEM)
        return code;
    out->listed = true;
    code = keep_codes(answer, count, arena, out);
    return code == 0 && text ? keep_reason(text, arena, out) : code;
}
