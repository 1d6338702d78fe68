#include "dmarc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libpsl.h>
#include <opendmarc/dmarc.h>

#include "../mail/address.h"

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

/* --- From --- */

static bool is_ascii_domain(const char *domain)
{
    char name[DNS_NAME_MAX + 1];
    return dns_name(domain, name) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(name);
}

/* Several mailboxes count where they have one domain (RFC 7489 section 6.6.1). */
static const char *one_domain(const struct mailbox_list *from, const char **reason)
{
    const char *found = NULL;
    for (size_t i = 0; i < from->count; i++) {
        const char *at = from->items[i].email ? strrchr(from->items[i].email, '@') : NULL;
        if (!at || !is_ascii_domain(at + 1)) {
            *reason = "From has no domain that can be looked up";
            return NULL;
        }
        if (found && strcasecmp(found, at + 1) != 0) {
            *reason = "From has mailboxes of several domains";
            return NULL;
        }
        found = at + 1;
    }
    if (!found)
        *reason = "From has no address";
    return found;
}

int dmarc_from(const struct head *head, struct arena *arena, const char **domain,
               const char **reason)
{
    size_t first = head_find(head, "From", 0);
    *domain = NULL;
    *reason = NULL;
    if (head->too_large)
        *reason = "the header is larger than is checked";
    else if (first == head->field_count)
        *reason = "no From";
    else if (head_find(head, "From", first + 1) < head->field_count)
        *reason = "more than one From";
    if (*reason)
        return 0;
    struct address_reader reader = {0};
    struct mailbox_list from;
    const struct head_field *field = &head->fields[first];
    int code = address_read(&reader, arena, field->value, field->value_size);
    int finished = address_finish(&reader, arena, &from);
    if (code < 0 || finished < 0)
        return code < 0 ? code : finished;
    char name[DNS_NAME_MAX + 1];
    const char *found = one_domain(&from, reason);
    if (found && dns_name(found, name) && !(*domain = arena_strdup(arena, name)))
        return -ENOMEM;
    return 0;
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

int dmarc_ask(const struct dmarc *dmarc, const char *domain, struct lookups *lookups)
{
    const char *domains[2] = {domain, organization(dmarc, domain)};
    const struct answer *answer;
    char name[DNS_NAME_MAX + 16];
    int result = 0;
    for (size_t i = 0; i < 2; i++) {
        if (!record_name(domains[i], name))
            continue;
        int code = lookups_get(lookups, name, RECORD_TXT, &answer);
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
    const struct answer *answer = lookups_find(lookups, name, RECORD_TXT);
    if (!answer || answer->status == ANSWER_FAILED)
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

static bool may_align(const struct dmarc *dmarc, const char *from, const char *domain)
{
    char name[DNS_NAME_MAX + 1];
    return is_ascii_domain(domain) && dns_name(domain, name) &&
           strcmp(organization(dmarc, from), organization(dmarc, name)) == 0;
}

/* True where something that could still have made it pass could not be checked. */
static int store_results(const struct dmarc *dmarc, const struct dmarc_input *input,
                         DMARC_POLICY_T *policy, bool *unsure)
{
    int code = DMARC_PARSE_OKAY;
    *unsure = false;
    if (may_align(dmarc, input->domain, input->spf->domain)) {
        *unsure = input->spf->code == AUTH_TEMPERROR;
        code = opendmarc_policy_store_spf(
            policy, (u_char *)input->spf->domain,
            input->spf->code == AUTH_PASS ? DMARC_POLICY_SPF_OUTCOME_PASS
                                          : DMARC_POLICY_SPF_OUTCOME_FAIL,
            input->spf->helo ? DMARC_POLICY_SPF_ORIGIN_HELO : DMARC_POLICY_SPF_ORIGIN_MAILFROM,
            NULL);
    }
    for (size_t i = 0; i < input->dkim_count && code != DMARC_PARSE_ERROR_NO_ALLOC; i++) {
        const struct dkim_result *dkim = &input->dkim[i];
        if (!may_align(dmarc, input->domain, dkim->domain))
            continue;
        *unsure = *unsure || dkim->code == AUTH_TEMPERROR;
        if (dkim->code == AUTH_PASS)
            code = opendmarc_policy_store_dkim(policy, (u_char *)dkim->domain,
                                               (u_char *)dkim->selector,
                                               DMARC_POLICY_DKIM_OUTCOME_PASS, NULL);
    }
    return code == DMARC_PARSE_ERROR_NO_ALLOC ? -ENOMEM : 0;
}

static int evaluate(const struct dmarc_input *input, bool unsure, DMARC_POLICY_T *policy,
                    struct dmarc_result *out, bool *refuse)
{
    int percent = 100;
    opendmarc_policy_fetch_pct(policy, &percent);
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
        *refuse = verdict == DMARC_POLICY_REJECT && input->percent < (unsigned)percent;
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

static int apply(const struct dmarc *dmarc, const struct dmarc_input *input,
                 const struct record *record, const char *parent, struct dmarc_result *out,
                 bool *refuse)
{
    char text[RECORD_MAX];
    bool unsure;
    write_record(record, text);
    DMARC_POLICY_T *policy =
        opendmarc_policy_connect_init((u_char *)"127.0.0.1", DMARC_POLICY_IP_TYPE_IPV4);
    if (!policy)
        return -ENOMEM;
    int code = opendmarc_policy_store_dmarc(policy, (u_char *)text, (u_char *)input->domain,
                                            (u_char *)parent);
    if (code != DMARC_PARSE_OKAY) {
        out->code = AUTH_PERMERROR;
        out->reason = "the DMARC record cannot be read";
        code = code == DMARC_PARSE_ERROR_NO_ALLOC ? -ENOMEM : 0;
    } else {
        code = store_results(dmarc, input, policy, &unsure);
        if (code == 0)
            code = evaluate(input, unsure, policy, out, refuse);
        if (code == 0)
            fill_policy(policy, parent != NULL, out);
    }
    opendmarc_policy_connect_shutdown(policy);
    return code == -EINVAL ? 0 : code;
}

int dmarc_check(const struct dmarc *dmarc, const struct dmarc_input *input,
                const struct lookups *lookups, struct dmarc_result *out, bool *refuse)
{
    const struct record *record = NULL;
    const char *parent = NULL;
    *out = (struct dmarc_result){.domain = input->domain};
    *refuse = false;
    enum found found = find_record(lookups, input->domain, &record);
    if (found == FOUND_NONE && strcmp(organization(dmarc, input->domain), input->domain) != 0) {
        parent = organization(dmarc, input->domain);
        found = find_record(lookups, parent, &record);
    }
    if (found == FOUND_FAILED) {
        out->code = AUTH_TEMPERROR;
        out->reason = "DNS look-up of the DMARC record failed";
    } else if (found == FOUND_NONE) {
        out->reason = "no DMARC record";
    } else {
        return apply(dmarc, input, record, parent, out, refuse);
    }
    return 0;
}
