/* What libspf2 asks of DNS: handles turned into names, limits counted. */
#include "spf_evaluation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Memory that is short here makes libspf2 call abort(), as it does itself. */
static SPF_dns_rr_t *make(struct evaluation *e, const char *domain, ns_type type,
                          SPF_dns_stat_t status)
{
    SPF_dns_rr_t *rr = SPF_dns_rr_new_init(&e->layer, domain, type, 0, status);
    if (!rr)
        e->stop = -ENOMEM;
    return rr;
}

/* Ends an evaluation that cannot go on. */
static SPF_dns_rr_t *give_up(struct evaluation *e, const char *domain, ns_type type)
{
    return make(e, domain, type, TRY_AGAIN);
}

static bool add(struct evaluation *e, SPF_dns_rr_t *rr, const void *data, size_t size)
{
    if (SPF_dns_rr_buf_realloc(rr, rr->num_rr, size) != SPF_E_SUCCESS) {
        e->stop = -ENOMEM;
        rr->herrno = TRY_AGAIN;
        return false;
    }
    memcpy(rr->rr[rr->num_rr++], data, size);
    rr->herrno = NETDB_SUCCESS;
    return true;
}

static SPF_dns_rr_t *give_record(struct evaluation *e, const char *domain, ns_type type,
                                 struct spf_handle *handle)
{
    const struct dns_answer *answer = evaluation_ask(e, handle->name, RECORD_TXT);
    if (answer && answer->status == DNS_FAILED)
        e->reason = evaluation_text(e->arena, "DNS look-up of %s failed", handle->name);
    if (!answer || answer->status == DNS_FAILED)
        return give_up(e, domain, type);
    const struct record *record = spf_find_record(e, answer, handle->name);
    if (e->stop != 0)
        return give_up(e, domain, type);
    SPF_dns_rr_t *rr = make(e, domain, type, NO_DATA);
    if (record && rr) {
        char text[SIMPLE_RECORD_MAX];
        e->given++;
        spf_simplify(e, record, handle, text);
        add(e, rr, text, strlen(text) + 1);
    }
    return rr;
}

static SPF_dns_rr_t *give_addresses(struct evaluation *e, const char *domain, ns_type type,
                                    const struct spf_handle *handle,
                                    const struct dns_answer *answer)
{
    if (!answer || answer->status == DNS_FAILED)
        return give_up(e, domain, type);
    SPF_dns_rr_t *rr = make(e, domain, type, HOST_NOT_FOUND);
    if (rr && handle->any && answer->count > 0) {
        add(e, rr, e->macros.address, e->macros.ipv6 ? 16 : 4);
        return rr;
    }
    for (size_t i = 0; rr && i < answer->count; i++)
        if (!add(e, rr, answer->records[i].data, answer->records[i].size))
            break;
    return rr;
}

/* A handle of its own for each host: "m3.t7.x". */
static SPF_dns_rr_t *give_hosts(struct evaluation *e, const char *domain, ns_type type,
                                struct spf_handle *handle)
{
    const struct dns_answer *answer = evaluation_ask_for_term(e, handle->name, RECORD_MX);
    if (answer && answer->count > SPF_MAX_HOSTS)
        evaluation_permerror(
            e, evaluation_text(e->arena, "%s has more than 10 MX records", handle->name));
    if (!answer || answer->status == DNS_FAILED || e->stop != 0)
        return give_up(e, domain, type);
    SPF_dns_rr_t *rr = make(e, domain, type, HOST_NOT_FOUND);
    handle->hosts = answer;
    for (size_t i = 0; rr && i < answer->count; i++) {
        char name[32];
        snprintf(name, sizeof name, "m%zu.%s", i, domain);
        if (!add(e, rr, name, strlen(name) + 1))
            break;
    }
    return rr;
}

static SPF_dns_rr_t *give_exists(struct evaluation *e, const char *domain, ns_type type,
                                 const char *found)
{
    static const unsigned char any[4] = {127, 0, 0, 2};
    if (e->stop != 0)
        return give_up(e, domain, type);
    SPF_dns_rr_t *rr = make(e, domain, type, HOST_NOT_FOUND);
    if (rr && found)
        add(e, rr, any, sizeof any);
    return rr;
}

static bool expand(struct evaluation *e, struct spf_handle *handle)
{
    char name[SPF_EXPANDED_MAX + 1];
    e->macros.domain = handle->context;
    int code = 0;
    if (handle->spec)
        code = spf_expand_name(&e->macros, handle->spec, handle->spec_size, name);
    else
        snprintf(name, sizeof name, "%s", handle->context);
    if (code == -EAGAIN || code == -ENOMEM)
        e->stop = code;
    else if (code < 0)
        evaluation_permerror(e, "a name becomes too long");
    else if (!(handle->name = arena_strdup(e->arena, name)))
        e->stop = -ENOMEM;
    return e->stop == 0;
}

/* A term is counted when it is first asked for; the domain itself is not. */
static bool begin_term(struct evaluation *e, struct spf_handle *handle)
{
    if (handle->name)
        return true;
    if (handle != e->handles && ++e->terms > SPF_MAX_TERMS) {
        evaluation_permerror(e, "more than 10 terms that ask DNS");
        return false;
    }
    return expand(e, handle);
}

/* A hook of libspf2's, which frees what it is given. */
SPF_dns_rr_t *spf_layer_lookup(SPF_dns_server_t *layer, const char *domain, ns_type type,
                               int should_cache)
{
    struct evaluation *e = layer->hook;
    unsigned number, host = 0;
    bool is_host = sscanf(domain, "m%u.t%u.x", &host, &number) == 2;
    (void)should_cache;
    if (type == ns_t_spf) /* gone since RFC 7208 section 3.1 */
        return make(e, domain, type, NO_DATA);
    if (e->stop != 0 || (!is_host && sscanf(domain, "t%u.x", &number) != 1) ||
        number >= e->handle_count)
        return give_up(e, domain, type);
    struct spf_handle *handle = &e->handles[number];
    if (is_host)
        return give_addresses(e, domain, type, handle,
                              evaluation_ask_for_term(e, handle->hosts->records[host].data,
                                                      evaluation_address_type(e)));
    if (!begin_term(e, handle))
        return give_up(e, domain, type);
    const struct dns_answer *answer;
    switch (handle->kind) {
    case TERM_INCLUDE:
    case TERM_REDIRECT: return give_record(e, domain, type, handle);
    case TERM_MX: return give_hosts(e, domain, type, handle);
    case TERM_PTR:
        return give_exists(e, domain, type, evaluation_client_name(e, handle->name, false));
    case TERM_EXISTS:
        answer = evaluation_ask_for_term(e, handle->name, RECORD_A);
        if (!answer || answer->status == DNS_FAILED)
            return give_up(e, domain, type);
        return give_exists(e, domain, type, answer->count > 0 ? "" : NULL);
    default:
        answer = evaluation_ask_for_term(e, handle->name, evaluation_address_type(e));
        return give_addresses(e, domain, type, handle, answer);
    }
}
