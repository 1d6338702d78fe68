/*
 * How libspf2 is used, and held.
 *
 * libspf2 1.2.10 has overrun its buffers while it read records and expanded macros (CVE-2021-20314,
 * -33912, -33913, and CVE-2023-42118, whose fix is younger than Debian 12's package), calls abort()
 * where it is surprised, has room for 511 bytes of a compiled record, and does not count void
 * look-ups nor the terms of included records. So nothing that a stranger wrote reaches it. A record
 * is read by our own strict grammar (spf_record.c), and libspf2 gets a short one that means the
 * same for this client: each domain is a handle ("t7.x") instead of a name, addresses that do not
 * match are left out, ptr is an exists. When libspf2 asks for a handle, the name behind it is
 * expanded (spf_macro.c) and looked up, and the limits are counted. Order, qualifiers, matching,
 * include and redirect are libspf2's.
 */
#include "spf_evaluation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../base/ascii.h"
#include "../base/network.h"

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
    e->handles[0] = (struct spf_handle){.kind = TERM_REDIRECT, .context = e->domain, .top = true};
    e->handle_count = 1;
    e->layer = (SPF_dns_server_t){.lookup = spf_layer_lookup, .name = "mxhook", .hook = e};
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
    const struct dns_answer *answer = code == 0 ? evaluation_ask(e, name, RECORD_TXT) : NULL;
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

static int client_name(void *context, const char *domain, const char **out)
{
    struct evaluation *e = context;
    const char *name = evaluation_client_name(e, domain, true);
    if (e->stop != 0)
        return e->stop == -EAGAIN || e->stop == -ENOMEM ? e->stop : -E2BIG;
    *out = name ? name : "unknown";
    return 0;
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
    struct ip_address address;
    const unsigned char *bytes;
    if (ip_address_parse(text, &address) != 0)
        return -EINVAL;
    size_t size = ip_address_bytes(&address, &bytes);
    macros->ipv6 = size == 16;
    memcpy(macros->address, bytes, size);
    return 0;
}

static int prepare(struct evaluation *e)
{
    const struct spf_query *query = e->query;
    const char *at = strrchr(query->sender, '@');
    bool has_local = at && at > query->sender;
    const char *domain = *query->sender ? (at ? at + 1 : query->sender) : query->helo;
    char ascii[DNS_NAME_MAX + 1]; /* of U-labels (RFC 8616 section 4) */
    bool convert = !is_ascii(domain) && dns_name(domain, ascii);
    e->domain = arena_strdup(e->arena, convert ? ascii : domain);
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
