#include "dmarc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libpsl.h>
#include <opendmarc/dmarc.h>

#include "../dns/name.h"

#define SUFFIX_LIST "/usr/share/publicsuffix/public_suffix_list.dat"

#define RECORD_MAX 512 /* of what libopendmarc gets: the tags below, shortened */
#define VALUE_MAX  64

struct dmarc {
    psl_ctx_t *suffixes;
    OPENDMARC_LIB_T library;
};

struct dmarc *dmarc_open(void)
{
    struct dmarc *dmarc = calloc(1, sizeof *dmarc);
    if (!dmarc)
        return NULL;
    dmarc->suffixes = psl_latest(SUFFIX_LIST);
    dmarc->library.tld_type = OPENDMARC_TLD_TYPE_MOZILLA;
    snprintf((char *)dmarc->library.tld_source_file, sizeof dmarc->library.tld_source_file, "%s",
             SUFFIX_LIST);
    if (dmarc->suffixes && opendmarc_policy_library_init(&dmarc->library) == DMARC_PARSE_OKAY)
        return dmarc;
    psl_free(dmarc->suffixes);
    free(dmarc);
    return NULL;
}

void dmarc_close(struct dmarc *dmarc)
{
    if (!dmarc)
        return;
    opendmarc_policy_library_shutdown(&dmarc->library);
    psl_free(dmarc->suffixes);
    free(dmarc);
}

/* --- Records --- */

/* A public suffix is its own organization. `domain` is in lower case. */
static const char *organization(const struct dmarc *dmarc, const char *domain)
{
    const char *registrable = psl_registrable_domain(dmarc->suffixes, domain);
    return registrable ? registrable : domain;
}

static bool record_name(const char *domain, char out[DNS_NAME_MAX + 16])
{
    return snprintf(out, DNS_NAME_MAX + 16, "_dmarc.%s", domain) <= DNS_NAME_MAX;
}

static int ask(const char *domain, struct lookups *lookups)
{
    const struct dns_answer *answer;
    char name[DNS_NAME_MAX + 16];
    return record_name(domain, name) ? lookups_get(lookups, name, RECORD_TXT, &answer) : 0;
}

int dmarc_ask(const struct dmarc *dmarc, const struct author *author, struct lookups *lookups)
{
    int result = 0;
    for (size_t i = 0; i < 2 * author->count; i++) {
        const char *domain = author->domains[i / 2];
        int code = ask(i % 2 ? organization(dmarc, domain) : domain, lookups);
        if (code == -ENOMEM)
            return code;
        if (code == -EAGAIN)
            result = code;
    }
    return result;
}

static bool is_record(const struct record *record)
{
    char version[16];
    const char *at = record->data;
    return record->size > 8 && at[0] == 'v' &&
           tag_value(record->data, record->size, "v", version, sizeof version) &&
           strcmp(version, "DMARC1") == 0;
}

enum found { FOUND_NONE, FOUND_ONE, FOUND_FAILED };

/* Several records are as good as none (section 6.6.3). */
static enum found find_record(const struct lookups *lookups, const char *domain,
                              const struct record **out)
{
    char name[DNS_NAME_MAX + 16];
    size_t count = 0;
    if (!record_name(domain, name))
        return FOUND_NONE;
    const struct dns_answer *answer = lookups_find(lookups, name, RECORD_TXT);
    if (!answer || answer->status == DNS_FAILED)
        return FOUND_FAILED;
    for (size_t i = 0; i < answer->count; i++) {
        if (is_record(&answer->records[i])) {
            *out = &answer->records[i];
            count++;
        }
    }
    return count == 1 ? FOUND_ONE : FOUND_NONE;
}

/* Writes the tags that decide, and no others: libopendmarc mixes up some of those (a failure format
 * changes aspf), and they are of no use here. */
static void write_record(const struct record *record, char out[RECORD_MAX])
{
    static const char *const tags[] = {"p", "sp", "adkim", "aspf", "pct"};
    char value[VALUE_MAX];
    size_t used = (size_t)snprintf(out, RECORD_MAX, "v=DMARC1");
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (tag_value(record->data, record->size, tags[i], value, sizeof value) && *value &&
            strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") ==
                strlen(value))
            used += (size_t)snprintf(out + used, RECORD_MAX - used, "; %s=%s", tags[i], value);
}

/* --- The check --- */

/* `name` becomes the domain as it is compared. */
static bool may_align(const struct dmarc *dmarc, const char *from, const char *domain,
                      char name[DNS_NAME_MAX + 1])
{
    return dns_name(domain, name) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(name) &&
           strcmp(organization(dmarc, from), organization(dmarc, name)) == 0;
}

/* True where something that could still have made it pass could not be checked. */
static int store_results(const struct dmarc *dmarc, const struct dmarc_input *input,
                         const char *domain, DMARC_POLICY_T *policy, bool *unsure)
{
    char name[DNS_NAME_MAX + 1];
    int code = DMARC_PARSE_OKAY;
    *unsure = false;
    if (may_align(dmarc, domain, input->spf->domain, name)) {
        *unsure = input->spf->code == AUTH_TEMPERROR;
        code = opendmarc_policy_store_spf(
            policy, (u_char *)name,
            input->spf->code == AUTH_PASS ? DMARC_POLICY_SPF_OUTCOME_PASS
                                          : DMARC_POLICY_SPF_OUTCOME_FAIL,
            input->spf->helo ? DMARC_POLICY_SPF_ORIGIN_HELO : DMARC_POLICY_SPF_ORIGIN_MAILFROM,
            NULL);
    }
    for (size_t i = 0; i < input->dkim_count && code != DMARC_PARSE_ERROR_NO_ALLOC; i++) {
        const struct dkim_result *dkim = &input->dkim[i];
        if (!may_align(dmarc, domain, dkim->domain, name))
            continue;
        *unsure = *unsure || dkim->code == AUTH_TEMPERROR;
        if (dkim->code == AUTH_PASS)
            code = opendmarc_policy_store_dkim(policy, (u_char *)name, (u_char *)dkim->selector,
                                               DMARC_POLICY_DKIM_OUTCOME_PASS, NULL);
    }
    return code == DMARC_PARSE_ERROR_NO_ALLOC ? -ENOMEM : 0;
}

static int evaluate(const struct dmarc_input *input, bool unsure, DMARC_POLICY_T *policy,
                    struct dmarc_result *out)
{
    int verdict = opendmarc_get_policy_to_enforce(policy);
    switch (verdict) {
    case DMARC_POLICY_PASS: out->code = AUTH_PASS; break;
    case DMARC_POLICY_REJECT: out->policy = "reject"; break;
    case DMARC_POLICY_QUARANTINE: out->policy = "quarantine"; break;
    case DMARC_POLICY_NONE: out->policy = "none"; break;
    default: return -EINVAL;
    }
    if (verdict == DMARC_POLICY_PASS)
        return 0;
    if (unsure) {
        out->code = AUTH_TEMPERROR;
        out->reason = "SPF or DKIM could not be checked";
    } else if (!input->spf_on || !input->dkim_on) {
        out->code = AUTH_NONE;
        out->reason = "SPF or DKIM is turned off";
    } else {
        out->code = AUTH_FAIL;
    }
    return 0;
}

static const char *policy_name(int policy)
{
    switch (policy) {
    case DMARC_RECORD_P_REJECT: return "reject";
    case DMARC_RECORD_P_QUARANTINE: return "quarantine";
    default: return "none";
    }
}

/* What the domain asks for, also where the message passed: sp for its subdomains. */
static void fill_policy(DMARC_POLICY_T *policy, bool from_parent, struct dmarc_result *out)
{
    int p = DMARC_RECORD_P_NONE, sp = DMARC_RECORD_P_UNSPECIFIED;
    opendmarc_policy_fetch_p(policy, &p);
    opendmarc_policy_fetch_sp(policy, &sp);
    if (!out->policy)
        out->policy = policy_name(from_parent && sp != DMARC_RECORD_P_UNSPECIFIED ? sp : p);
}

enum { STRICTNESS_NONE = 1, STRICTNESS_QUARANTINE, STRICTNESS_REJECT };

static int strictness(const struct dmarc_result *result)
{
    if (!result->policy)
        return 0;
    return strcmp(result->policy, "reject") == 0       ? STRICTNESS_REJECT
           : strcmp(result->policy, "quarantine") == 0 ? STRICTNESS_QUARANTINE
                                                       : STRICTNESS_NONE;
}

static int apply(const struct dmarc *dmarc, const struct dmarc_input *input, const char *domain,
                 const struct record *record, const char *parent, struct dmarc_result *out,
                 bool *rejects)
{
    char text[RECORD_MAX];
    int percent = 100;
    bool unsure;
    write_record(record, text);
    DMARC_POLICY_T *policy =
        opendmarc_policy_connect_init((u_char *)"127.0.0.1", DMARC_POLICY_IP_TYPE_IPV4);
    if (!policy)
        return -ENOMEM;
    int code =
        opendmarc_policy_store_dmarc(policy, (u_char *)text, (u_char *)domain, (u_char *)parent);
    if (code != DMARC_PARSE_OKAY) {
        out->code = AUTH_PERMERROR;
        out->reason = "the DMARC record cannot be read";
        code = code == DMARC_PARSE_ERROR_NO_ALLOC ? -ENOMEM : 0;
    } else {
        code = store_results(dmarc, input, domain, policy, &unsure);
        if (code == 0)
            code = evaluate(input, unsure, policy, out);
        if (code == 0)
            fill_policy(policy, parent != NULL, out);
        opendmarc_policy_fetch_pct(policy, &percent);
        *rejects = strictness(out) == STRICTNESS_REJECT && input->percent < (unsigned)percent;
    }
    opendmarc_policy_connect_shutdown(policy);
    return code == -EINVAL ? 0 : code;
}

/* *rejects: the domain asks to reject this one, if it fails. */
static int check_domain(const struct dmarc *dmarc, const struct dmarc_input *input,
                        const char *domain, const struct lookups *lookups, struct dmarc_result *out,
                        bool *rejects)
{
    const struct record *record = NULL;
    const char *parent = NULL;
    *out = (struct dmarc_result){.domain = domain};
    *rejects = false;
    enum found found = find_record(lookups, domain, &record);
    if (found == FOUND_NONE && strcmp(organization(dmarc, domain), domain) != 0) {
        parent = organization(dmarc, domain);
        found = find_record(lookups, parent, &record);
    }
    if (found == FOUND_FAILED) {
        out->code = AUTH_TEMPERROR;
        out->reason = "DNS look-up of the DMARC record failed";
    } else if (found == FOUND_NONE) {
        out->reason = "no DMARC record";
    } else {
        return apply(dmarc, input, domain, record, parent, out, rejects);
    }
    return 0;
}

/* --- All domains --- */

/* What one domain comes to. */
struct dmarc_verdict {
    struct dmarc_result result;
    bool rejects; /* it asks to reject this one, if it fails */
};

static bool is_stricter(const struct dmarc_verdict *a, const struct dmarc_verdict *b)
{
    int x = strictness(&a->result), y = strictness(&b->result);
    return x != y ? x > y : a->rejects && !b->rejects;
}

/* Which of two counts: the one that fails by the stricter policy, else the one that is further from
 * a pass. */
static bool is_worse(const struct dmarc_verdict *a, const struct dmarc_verdict *b)
{
    static const unsigned weights[] = {[AUTH_PASS] = 0,
                                       [AUTH_NONE] = 1,
                                       [AUTH_PERMERROR] = 2,
                                       [AUTH_TEMPERROR] = 3,
                                       [AUTH_FAIL] = 4};
    unsigned x = weights[a->result.code], y = weights[b->result.code];
    return x != y ? x > y : is_stricter(a, b);
}

int dmarc_check(const struct dmarc *dmarc, const struct dmarc_input *input,
                const struct lookups *lookups, struct dmarc_result *out, bool *refuse)
{
    const struct author *author = input->author;
    struct dmarc_verdict one, worst = {{.domain = ""}, false}, strictest = worst;
    for (size_t i = 0; i < author->count; i++) {
        int code =
            check_domain(dmarc, input, author->domains[i], lookups, &one.result, &one.rejects);
        if (code < 0)
            return code;
        if (i == 0 || is_worse(&one, &worst))
            worst = one;
        if (i == 0 || is_stricter(&one, &strictest))
            strictest = one;
    }
    *out = worst.result;
    *refuse = worst.rejects && worst.result.code == AUTH_FAIL;
    if (!author->flaw)
        return 0;
    /* What claims to be of a domain that asks to reject, and cannot be evaluated, has not passed. */
    *out = strictest.result;
    out->code = AUTH_PERMERROR;
    out->reason = author->flaw;
    *refuse = input->spf_on && input->dkim_on && (strictest.rejects || author->more);
    return 0;
}
