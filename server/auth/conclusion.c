#include <errno.h>
#include <stdlib.h>

#include "check.h"
#include "dmarc.h"
#include "format.h"
#include "signatures.h"

static int conclude_dkim(struct auth_check *check, struct auth_result *result)
{
    if (check->dkim_on)
        return signatures_verify(check->auth->signatures, check->data, &check->head,
                                 &check->lookups, result->arena, &result->dkim,
                                 &result->dkim_count);
    result->dkim = arena_alloc(result->arena, sizeof *result->dkim);
    if (!result->dkim)
        return -ENOMEM;
    *result->dkim = (struct dkim_result){.domain = "",
                                         .selector = "",
                                         .algorithm = "",
                                         .signature = "",
                                         .reason = "DKIM is turned off"};
    result->dkim_count = 1;
    return 0;
}

static int conclude_dmarc(struct auth_check *check, struct auth_result *result)
{
    if (!check->dmarc_on) {
        result->dmarc = (struct dmarc_result){.domain = "", .reason = "DMARC is turned off"};
        return 0;
    }
    struct dmarc_input input = {.author = &check->author,
                                .spf = &result->spf,
                                .dkim = result->dkim,
                                .dkim_count = result->dkim_count,
                                .spf_on = check->spf_on,
                                .dkim_on = check->dkim_on,
                                .percent = arc4random_uniform(100)};
    return dmarc_check(check->auth->dmarc, &input, &check->lookups, &result->dmarc,
                       &result->refuse);
}

/* A string of the check's, for the result's own life. */
static const char *keep(struct arena *arena, const char *text, bool *failed)
{
    const char *copy = text ? arena_strdup(arena, text) : NULL;
    *failed = *failed || (text && !copy);
    return copy;
}

static int keep_strings(struct auth_result *r)
{
    bool failed = false;
    r->spf.domain = keep(r->arena, r->spf.domain, &failed);
    r->spf.reason = keep(r->arena, r->spf.reason, &failed);
    r->spf.explanation = keep(r->arena, r->spf.explanation, &failed);
    r->dmarc.domain = keep(r->arena, r->dmarc.domain, &failed);
    r->iprev.name = keep(r->arena, r->iprev.name, &failed);
    return failed ? -ENOMEM : 0;
}

static int keep_dnsbl(const struct auth_check *check, struct auth_result *result)
{
    struct arena *arena = result->arena;
    bool failed = false;
    result->dnsbl = arena_alloc(arena, check->dnsbl_count * sizeof *result->dnsbl);
    if (!result->dnsbl)
        return -ENOMEM;
    for (size_t i = 0; i < check->dnsbl_count; i++) {
        const struct dnsbl_result *from = &check->dnsbl[i].result;
        const char **codes = arena_alloc(arena, from->code_count * sizeof *codes);
        if (!codes)
            return -ENOMEM;
        for (size_t j = 0; j < from->code_count; j++)
            codes[j] = keep(arena, from->codes[j], &failed);
        struct dnsbl_result *to = &result->dnsbl[result->dnsbl_count++];
        *to = *from;
        to->codes = codes;
        to->zone = keep(arena, from->zone, &failed);
        to->reason = keep(arena, from->reason, &failed);
        to->error = keep(arena, from->error, &failed);
    }
    return failed ? -ENOMEM : 0;
}

int auth_conclude(struct auth_check *check, struct auth_result **out)
{
    struct auth_result *result = auth_result_new();
    if (!result)
        return -ENOMEM;
    result->spf = check->spf;
    result->iprev = check->iprev;
    int code = check->error;
    if (code == 0)
        code = conclude_dkim(check, result);
    if (code == 0)
        code = conclude_dmarc(check, result);
    if (code == 0)
        code = keep_strings(result);
    if (code == 0)
        code = keep_dnsbl(check, result);
    struct format_input input = {check->hostname, check->client_ip, check->helo};
    if (code == 0)
        code = format_result(result, &input);
    if (code < 0)
        auth_result_free(result);
    else
        *out = result;
    return code;
}
