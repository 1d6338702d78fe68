/*
 * How libspf2 is used, and held.
 *
 * libspf2 1.2.10 has overrun its buffers while it read records and expanded macros (CVE-2021-20314,
 * -33912, -33913, and CVE-2023-42118, which Debian 12 has not patched), calls abort() where it is
 * surprised, has room for 511 bytes of a compiled record, and does not count void look-ups nor the
 * terms of included records. So no byte from the network reaches it. A record is read by our own
 * strict grammar (spf_record.c), and libspf2 gets a short one that means the same for this client:
 * each domain is a handle ("t7.x") instead of a name, addresses that do not match are left out, ptr
 * is an exists. When libspf2 asks for a handle, the name behind it is expanded (spf_macro.c) and
 * looked up, and the limits are counted. Order, qualifiers, matching, include and redirect are
 * libspf2's.
 */
#include "spf.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <spf2/spf.h>
#include <spf2/spf_dns.h>

#include "../arena.h"
#include "spf_macro.h"
#include "spf_record.h"

#define HANDLES_MAX    256 /* more than the terms of all records that the limits let us read */
#define RECORD_MAX     512 /* of a record as libspf2 gets it: 11 terms of at most 30 bytes */
#define STOP_PERMERROR 1   /* of evaluation.stop, beside negative errnos */

/* A term that asks DNS, or (the first) the domain that is checked. */
struct handle {
    enum spf_term_kind kind;
    const char *spec; /* domain-spec; NULL: the domain itself */
    size_t spec_size;
    const char *context;        /* domain of the record that it stands in */
    char *name;                 /* expanded; NULL: not asked for yet */
    bool top;                   /* reached without an include: its explanation counts */
    bool any;                   /* every address matches: libspf2 knows no "/0" */
    const struct answer *hosts; /* of mx */
};

struct evaluation {
    const struct spf_query *query;
    struct lookups *lookups;
    struct arena *arena;
    struct spf_macros macros;
    char *domain; /* the identity's */
    struct handle handles[HANDLES_MAX];
    size_t handle_count;
    unsigned terms, voids;
    unsigned given;     /* records handed to libspf2 */
    int stop;           /* what ends it: -EAGAIN, -ENOMEM or STOP_PERMERROR; 0: nothing */
    const char *reason; /* of STOP_PERMERROR, or of the look-up that failed last */
    const char *explanation_spec, *explanation_context;
    size_t explanation_size;
    SPF_dns_server_t layer;
};

static char *format(struct arena *arena, const char *text, ...)
    __attribute__((format(printf, 2, 3)));

static char *format(struct arena *arena, const char *text, ...)
{
    char buffer[1024];
    va_list args;
    va_start(args, text);
    vsnprintf(buffer, sizeof buffer, text, args);
    va_end(args);
    return arena_strdup(arena, buffer);
}

static void permerror(struct evaluation *e, const char *reason)
{
    if (e->stop == 0) {
        e->stop = STOP_PERMERROR;
        e->reason = reason;
    }
}

/* NULL ends the evaluation: missing, or over a limit. */
static const struct answer *ask(struct evaluation *e, const char *name, enum record_type type)
{
    const struct answer *answer;
    int code = lookups_get(e->lookups, name, type, &answer);
    if (code == 0)
        return answer;
    if (code == -E2BIG)
        permerror(e, "too many DNS look-ups");
    else
        e->stop = code;
    return NULL;
}

/* An answer to a term itself, not to what it leads to. */
static const struct answer *ask_for_term(struct evaluation *e, const char *name,
                                         enum record_type type)
{
    const struct answer *answer = ask(e, name, type);
    if (!answer)
        return NULL;
    if (answer->status == ANSWER_FAILED)
        e->reason = format(e->arena, "DNS look-up of %s failed", name);
    if (answer->status == ANSWER_NONE && ++e->voids > SPF_MAX_VOID) {
        permerror(e, "more than 2 DNS look-ups found nothing");
        return NULL;
    }
    return answer;
}

static enum record_type address_type(const struct evaluation *e)
{
    return e->macros.ipv6 ? RECORD_AAAA : RECORD_A;
}

/* --- The client's names (section 5.5) --- */

static bool is_under(const char *name, const char *domain)
{
    size_t size = strlen(name), end = strlen(domain);
    return size >= end && strcasecmp(name + size - end, domain) == 0 &&
           (size == end || name[size - end - 1] == '.');
}

static bool has_client(const struct evaluation *e, const struct answer *addresses)
{
    size_t size = e->macros.ipv6 ? 16 : 4;
    for (size_t i = 0; i < addresses->count; i++)
        if (addresses->records[i].size == size &&
            memcmp(addresses->records[i].data, e->macros.address, size) == 0)
            return true;
    return false;
}

static void reverse_name(const struct evaluation *e, char out[DNS_NAME_MAX + 1])
{
    const unsigned char *a = e->macros.address;
    if (!e->macros.ipv6) {
        snprintf(out, DNS_NAME_MAX, "%u.%u.%u.%u.in-addr.arpa", a[3], a[2], a[1], a[0]);
        return;
    }
    size_t size = 0;
    for (int i = 15; i >= 0; i--)
        size += (size_t)snprintf(out + size, DNS_NAME_MAX - size, "%x.%x.", a[i] & 15, a[i] >> 4);
    snprintf(out + size, DNS_NAME_MAX - size, "ip6.arpa");
}

/* The names of the client that lead back to it; the first that is, or is under, `domain`, else the
 * first at all where `any`. NULL: none, or the evaluation ends (e->stop). A look-up that fails
 * takes only its own name out. */
static const char *validated_name(struct evaluation *e, const char *domain, bool any)
{
    char reverse[DNS_NAME_MAX + 1];
    const char *found[3] = {NULL}; /* the domain itself; under it; another */
    reverse_name(e, reverse);
    const struct answer *names = ask(e, reverse, RECORD_PTR);
    if (!names)
        return NULL;
    int missing = 0;
    for (size_t i = 0; i < names->count && i < SPF_MAX_HOSTS; i++) {
        const char *name = names->records[i].data;
        const struct answer *addresses = ask(e, name, address_type(e));
        if (!addresses && e->stop != -EAGAIN)
            return NULL;
        if (!addresses) { /* ask for the others too, all at once */
            missing = e->stop;
            e->stop = 0;
            continue;
        }
        size_t rank = strcasecmp(name, domain) == 0 ? 0 : is_under(name, domain) ? 1 : 2;
        if (!found[rank] && has_client(e, addresses))
            found[rank] = name;
    }
    e->stop = missing;
    if (missing)
        return NULL;
    return found[0] ? found[0] : found[1] ? found[1] : any ? found[2] : NULL;
}

static int client_name(void *context, const char *domain, const char **out)
{
    struct evaluation *e = context;
    const char *name = validated_name(e, domain, true);
    if (e->stop != 0)
        return e->stop == -EAGAIN || e->stop == -ENOMEM ? e->stop : -E2BIG;
    *out = name ? name : "unknown";
    return 0;
}

/* --- Records for libspf2 --- */

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
        permerror(e, "too many terms that ask DNS");
        return false;
    }
    e->handles[e->handle_count++] = (struct handle){.kind = term->kind,
                                                    .spec = term->domain,
                                                    .spec_size = term->domain_size,
                                                    .context = context,
                                                    .top = top && term->kind == TERM_REDIRECT,
                                                    .any = prefix(e, term) == 0};
    return true;
}

/* Writes one term; true where no later one can count. */
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
static void simplify(struct evaluation *e, const struct record *record, const struct handle *handle,
                     char out[RECORD_MAX])
{
    struct spf_term term, redirect = {.kind = TERM_OTHER};
    const char *context = handle->name;
    bool top = handle->top, ended = false;
    unsigned terms = 0;
    size_t used = (size_t)snprintf(out, RECORD_MAX, "v=spf1");
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
        ended = write_term(e, &term, context, top, out + used, RECORD_MAX - used);
        used += strlen(out + used);
        /* One over the limit is enough to find that it is over. */
        terms += term.kind != TERM_IP4 && term.kind != TERM_IP6 && out[used - 1] == 'x';
        ended = ended || terms > SPF_MAX_TERMS || used > RECORD_MAX - 64;
    }
    if (!ended && redirect.kind == TERM_REDIRECT)
        write_term(e, &redirect, context, top, out + used, RECORD_MAX - used);
}

/* The SPF record among the TXT records (section 4.5). Nothing where there is none; a record that
 * cannot be used ends the evaluation. */
static const struct record *find_record(struct evaluation *e, const struct answer *answer,
                                        const char *domain)
{
    const struct record *found = NULL;
    for (size_t i = 0; i < answer->count; i++) {
        const struct record *record = &answer->records[i];
        if (!spf_record_is(record->data, record->size))
            continue;
        if (found) {
            permerror(e, format(e->arena, "%s has more than one SPF record", domain));
            return NULL;
        }
        found = record;
    }
    const char *error = found ? spf_record_error(found->data, found->size) : NULL;
    if (error) {
        permerror(e, format(e->arena, "%s: %s", domain, error));
        return NULL;
    }
    return found;
}

/* --- What libspf2 asks --- */

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
                                 struct handle *handle)
{
    const struct answer *answer = ask(e, handle->name, RECORD_TXT);
    if (answer && answer->status == ANSWER_FAILED)
        e->reason = format(e->arena, "DNS look-up of %s failed", handle->name);
    if (!answer || answer->status == ANSWER_FAILED)
        return give_up(e, domain, type);
    const struct record *record = find_record(e, answer, handle->name);
    if (e->stop != 0)
        return give_up(e, domain, type);
    SPF_dns_rr_t *rr = make(e, domain, type, NO_DATA);
    if (record && rr) {
        char text[RECORD_MAX];
        e->given++;
        simplify(e, record, handle, text);
        add(e, rr, text, strlen(text) + 1);
    }
    return rr;
}

static SPF_dns_rr_t *give_addresses(struct evaluation *e, const char *domain, ns_type type,
                                    const struct handle *handle, const struct answer *answer)
{
    if (!answer || answer->status == ANSWER_FAILED)
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
                                struct handle *handle)
{
    const struct answer *answer = ask_for_term(e, handle->name, RECORD_MX);
    if (answer && answer->count > SPF_MAX_HOSTS)
        permerror(e, format(e->arena, "%s has more than 10 MX records", handle->name));
    if (!answer || answer->status == ANSWER_FAILED || e->stop != 0)
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

static bool expand(struct evaluation *e, struct handle *handle)
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
        permerror(e, "a name becomes too long");
    else if (!(handle->name = arena_strdup(e->arena, name)))
        e->stop = -ENOMEM;
    return e->stop == 0;
}

/* A term is counted when it is first asked for; the domain itself is not. */
static bool begin_term(struct evaluation *e, struct handle *handle)
{
    if (handle->name)
        return true;
    if (handle != e->handles && ++e->terms > SPF_MAX_TERMS) {
        permerror(e, "more than 10 terms that ask DNS");
        return false;
    }
    return expand(e, handle);
}

/* A hook of libspf2's, which frees what it is given. */
static SPF_dns_rr_t *on_lookup(SPF_dns_server_t *layer, const char *domain, ns_type type,
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
    struct handle *handle = &e->handles[number];
    if (is_host)
        return give_addresses(e, domain, type, handle,
                              ask_for_term(e, handle->hosts->records[host].data, address_type(e)));
    if (!begin_term(e, handle))
        return give_up(e, domain, type);
    const struct answer *answer;
    switch (handle->kind) {
    case TERM_INCLUDE:
    case TERM_REDIRECT: return give_record(e, domain, type, handle);
    case TERM_MX: return give_hosts(e, domain, type, handle);
    case TERM_PTR: return give_exists(e, domain, type, validated_name(e, handle->name, false));
    case TERM_EXISTS:
        answer = ask_for_term(e, handle->name, RECORD_A);
        if (!answer || answer->status == ANSWER_FAILED)
            return give_up(e, domain, type);
        return give_exists(e, domain, type, answer->count > 0 ? "" : NULL);
    default:
        answer = ask_for_term(e, handle->name, address_type(e));
        return give_addresses(e, domain, type, handle, answer);
    }
}

/* --- Running libspf2 --- */

static SPF_request_t *make_request(const struct evaluation *e, SPF_server_t *server)
{
    SPF_request_t *request = SPF_request_new(server);
    if (!request)
        return NULL;
    struct in_addr four;
    struct in6_addr six;
    memcpy(&four, e->macros.address, sizeof four);
    memcpy(&six, e->macros.address, sizeof six);
    int code =
        e->macros.ipv6 ? SPF_request_set_ipv6(request, six) : SPF_request_set_ipv4(request, four);
    if (code == 0)
        code = SPF_request_set_helo_dom(request, "t0.x");
    if (code == 0)
        code = SPF_request_set_env_from(request, "u@t0.x");
    if (code == 0)
        return request;
    SPF_request_free(request);
    return NULL;
}

/* As SPF_request_query_mailfrom() does, but without its pass for every client on this machine. */
static enum auth_code interpret(const struct evaluation *e, SPF_server_t *server,
                                SPF_request_t *request, SPF_response_t *response)
{
    static const enum auth_code codes[] = {
        [SPF_RESULT_INVALID] = AUTH_PERMERROR,   [SPF_RESULT_NEUTRAL] = AUTH_NEUTRAL,
        [SPF_RESULT_PASS] = AUTH_PASS,           [SPF_RESULT_FAIL] = AUTH_FAIL,
        [SPF_RESULT_SOFTFAIL] = AUTH_SOFTFAIL,   [SPF_RESULT_NONE] = AUTH_NONE,
        [SPF_RESULT_TEMPERROR] = AUTH_TEMPERROR, [SPF_RESULT_PERMERROR] = AUTH_PERMERROR};
    SPF_record_t *record = NULL;
    request->cur_dom = request->env_from_dp;
    SPF_errcode_t code = SPF_server_get_record(server, request, response, &record);
    if (code != SPF_E_SUCCESS) {
        if (record)
            SPF_record_free(record);
        if (code == SPF_E_NOT_SPF) /* also its word for a record that it could not read */
            return e->given ? AUTH_PERMERROR : AUTH_NONE;
        return AUTH_TEMPERROR;
    }
    response->spf_record_exp = record;
    SPF_record_interpret(record, request, response, 0);
    SPF_record_free(record);
    return codes[response->result];
}

/* Handle 0 is the domain itself. */
static enum auth_code run(struct evaluation *e)
{
    enum auth_code code = AUTH_TEMPERROR;
    e->handles[0] = (struct handle){.kind = TERM_REDIRECT, .context = e->domain, .top = true};
    e->handle_count = 1;
    e->layer = (SPF_dns_server_t){.lookup = on_lookup, .name = "mxhook", .hook = e};
    SPF_server_t *server = SPF_server_new_dns(&e->layer, 0);
    SPF_request_t *request = server ? make_request(e, server) : NULL;
    SPF_response_t *response = request ? SPF_response_new(request) : NULL;
    if (response && SPF_server_set_rec_dom(server, "x") == SPF_E_SUCCESS)
        code = interpret(e, server, request, response);
    else
        e->stop = -ENOMEM;
    if (response)
        SPF_response_free(response);
    if (request)
        SPF_request_free(request);
    if (server)
        SPF_server_free(server);
    return code;
}

/* --- The whole --- */

/* What a fail is explained with; nothing where there is none, or none that can be used
 * (section 6.2). */
static void explain(struct evaluation *e, struct spf_result *out)
{
    char name[SPF_EXPANDED_MAX + 1], text[SPF_EXPANDED_MAX + 1];
    if (!e->explanation_spec)
        return;
    e->macros.domain = e->explanation_context;
    int code = spf_expand_name(&e->macros, e->explanation_spec, e->explanation_size, name);
    const struct answer *answer = code == 0 ? ask(e, name, RECORD_TXT) : NULL;
    if (code == -EAGAIN)
        e->stop = code;
    if (!answer || answer->count != 1 ||
        !spf_explanation_is_valid(answer->records[0].data, answer->records[0].size))
        return;
    code = spf_expand(&e->macros, answer->records[0].data, answer->records[0].size, text);
    if (code == -EAGAIN)
        e->stop = code;
    if (code == 0 && !(out->explanation = arena_strdup(e->arena, text)))
        e->stop = -ENOMEM;
}

/* A host's name in full: two labels or more (section 4.3). */
static bool is_domain(const char *domain)
{
    char name[DNS_NAME_MAX + 1];
    return dns_name(domain, name) && strchr(name, '.') && name[strspn(name, "0123456789.")] &&
           !strpbrk(name, "[]:");
}

/* An IPv4 address in IPv6's form is IPv4 (section 5). */
static int read_client(const char *text, struct spf_macros *macros)
{
    struct in6_addr six;
    if (inet_pton(AF_INET, text, macros->address) == 1)
        return 0;
    if (inet_pton(AF_INET6, text, &six) != 1)
        return -EINVAL;
    macros->ipv6 = !IN6_IS_ADDR_V4MAPPED(&six);
    memcpy(macros->address, macros->ipv6 ? six.s6_addr : six.s6_addr + 12, macros->ipv6 ? 16 : 4);
    return 0;
}

static int prepare(struct evaluation *e)
{
    const struct spf_query *query = e->query;
    const char *at = strrchr(query->sender, '@');
    bool has_local = at && at > query->sender;
    const char *domain = *query->sender ? (at ? at + 1 : query->sender) : query->helo;
    e->domain = arena_strdup(e->arena, domain);
    char *local = has_local ? arena_strndup(e->arena, query->sender, (size_t)(at - query->sender))
                            : arena_strdup(e->arena, "postmaster");
    if (!e->domain || !local)
        return -ENOMEM;
    size_t size = strlen(e->domain);
    if (size > 0 && e->domain[size - 1] == '.')
        e->domain[size - 1] = 0;
    e->macros = (struct spf_macros){.local = local,
                                    .sender_domain = e->domain,
                                    .helo = query->helo,
                                    .receiver = query->receiver,
                                    .now = time(NULL),
                                    .client_name = client_name,
                                    .context = e};
    return read_client(query->client_ip, &e->macros);
}

static void conclude(struct evaluation *e, enum auth_code code, struct spf_result *out)
{
    out->code = e->stop == STOP_PERMERROR ? AUTH_PERMERROR : code;
    if (out->code == AUTH_PERMERROR)
        out->reason = e->stop == STOP_PERMERROR
                          ? e->reason
                          : "an included or redirected domain has no SPF record";
    else if (out->code == AUTH_TEMPERROR)
        out->reason = e->reason ? e->reason : "DNS look-up failed";
}

int spf_check(const struct spf_query *query, struct lookups *lookups, struct arena *arena,
              struct spf_result *out)
{
    struct evaluation *e = calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->query = query;
    e->lookups = lookups;
    e->arena = arena;
    *out = (struct spf_result){.domain = "", .helo = *query->sender == 0};
    int code = prepare(e);
    if (code == 0)
        out->domain = e->domain;
    if (code == 0 && is_domain(e->domain)) {
        enum auth_code result = run(e);
        if (e->stop == STOP_PERMERROR || e->stop == 0)
            conclude(e, result, out);
        if (e->stop == 0 && out->code == AUTH_FAIL)
            explain(e, out);
        code = e->stop < 0 ? e->stop : 0;
    } else if (code != -ENOMEM) {
        out->reason =
            code == 0 ? "no domain that can be looked up" : "the client has no IP address";
        code = 0;
    }
    free(e);
    return code;
}
