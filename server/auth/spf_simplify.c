/* Records as libspf2 gets them. */
#include "spf_evaluation.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static unsigned prefix(const struct evaluation *e, const struct spf_term *term)
{
    return e->macros.ipv6 ? term->cidr6 : term->cidr4;
}

static bool matches(const struct evaluation *e, const struct spf_term *term)
{
    if (e->macros.ipv6 != (term->kind == TERM_IP6))
        return false;
    unsigned bits = prefix(e, term);
    if (memcmp(e->macros.address, term->address, bits / 8) != 0)
        return false;
    unsigned char mask = (unsigned char)(0xff00 >> bits % 8);
    return bits % 8 == 0 || ((e->macros.address[bits / 8] ^ term->address[bits / 8]) & mask) == 0;
}

static bool add_handle(struct evaluation *e, const struct spf_term *term, const char *context,
                       bool top)
{
    if (e->handle_count == HANDLES_MAX) {
        evaluation_permerror(e, "too many terms that ask DNS");
        return false;
    }
    e->handles[e->handle_count++] = (struct spf_handle){.kind = term->kind,
                                                        .spec = term->domain,
                                                        .spec_size = term->domain_size,
                                                        .context = context,
                                                        .top = top && term->kind == TERM_REDIRECT,
                                                        .any = prefix(e, term) == 0};
    return true;
}

/* Writes one term; true where no later one can count: so one address at most. */
static bool write_term(struct evaluation *e, const struct spf_term *term, const char *context,
                       bool top, char *out, size_t size)
{
    static const char *const names[] = {
        [TERM_INCLUDE] = "include", [TERM_A] = "a",           [TERM_MX] = "mx",
        [TERM_PTR] = "exists",      [TERM_EXISTS] = "exists", [TERM_REDIRECT] = "redirect"};
    char address[INET6_ADDRSTRLEN];
    *out = 0;
    switch (term->kind) {
    case TERM_ALL: snprintf(out, size, " %call", term->qualifier); return true;
    case TERM_IP4:
    case TERM_IP6:
        if (!matches(e, term))
            return false;
        inet_ntop(e->macros.ipv6 ? AF_INET6 : AF_INET, e->macros.address, address, sizeof address);
        snprintf(out, size, " %cip%c:%s", term->qualifier, e->macros.ipv6 ? '6' : '4', address);
        return true;
    case TERM_EXP:
    case TERM_OTHER: return false;
    default: break;
    }
    unsigned handle = (unsigned)e->handle_count;
    if (!add_handle(e, term, context, top))
        return true;
    if (term->kind == TERM_REDIRECT)
        snprintf(out, size, " redirect=t%u.x", handle);
    else if (term->kind == TERM_A || term->kind == TERM_MX)
        snprintf(out, size, " %c%s:t%u.x/%u//%u", term->qualifier, names[term->kind], handle,
                 term->cidr4 ? term->cidr4 : 32, term->cidr6 ? term->cidr6 : 128);
    else
        snprintf(out, size, " %c%s:t%u.x", term->qualifier, names[term->kind], handle);
    return term->kind == TERM_REDIRECT;
}

/* What the record means for this client. redirect counts where nothing before it matched, so it is
 * written last (section 6.1). */
void spf_simplify(struct evaluation *e, const struct record *record,
                  const struct spf_handle *handle, char out[SIMPLE_RECORD_MAX])
{
    struct spf_term term, redirect = {.kind = TERM_OTHER};
    const char *context = handle->name;
    bool top = handle->top, ended = false;
    size_t handles = e->handle_count;
    size_t used = (size_t)snprintf(out, SIMPLE_RECORD_MAX, "v=spf1");
    if (top)
        e->explanation_spec = NULL;
    for (size_t at = 0; spf_record_next(record->data, record->size, &at, &term);) {
        if (term.kind == TERM_REDIRECT)
            redirect = term;
        if (term.kind == TERM_EXP && top) {
            e->explanation_spec = term.domain;
            e->explanation_size = term.domain_size;
            e->explanation_context = context;
        }
        if (ended || term.kind == TERM_REDIRECT)
            continue;
        ended = write_term(e, &term, context, top, out + used, SIMPLE_RECORD_MAX - used);
        used += strlen(out + used);
        /* One over the limit is enough to find that it is over. */
        ended = ended || e->handle_count - handles > SPF_MAX_TERMS;
    }
    if (!ended && redirect.kind == TERM_REDIRECT)
        write_term(e, &redirect, context, top, out + used, SIMPLE_RECORD_MAX - used);
}

const struct record *spf_find_record(struct evaluation *e, const struct dns_answer *answer,
                                     const char *domain)
{
    const struct record *found = NULL;
    for (size_t i = 0; i < answer->count; i++) {
        const struct record *record = &answer->records[i];
        if (!spf_record_is(record->data, record->size))
            continue;
        if (found) {
            evaluation_permerror(
                e, evaluation_text(e->arena, "%s has more than one SPF record", domain));
            return NULL;
        }
        found = record;
    }
    const char *error = found ? spf_record_error(found->data, found->size) : NULL;
    if (error) {
        evaluation_permerror(e, evaluation_text(e->arena, "%s: %s", domain, error));
        return NULL;
    }
    return found;
}
