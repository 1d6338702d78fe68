/* What an evaluation asks of DNS, and which names the client has. */
#include "spf_evaluation.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

char *evaluation_text(struct arena *arena, const char *text, ...)
{
    char buffer[1024];
    va_list args;
    va_start(args, text);
    vsnprintf(buffer, sizeof buffer, text, args);
    va_end(args);
    return arena_strdup(arena, buffer);
}

void evaluation_permerror(struct evaluation *e, const char *reason)
{
    if (e->stop == 0) {
        e->stop = STOP_PERMERROR;
        e->reason = reason;
    }
}

const struct dns_answer *evaluation_ask(struct evaluation *e, const char *name,
                                        enum record_type type)
{
    const struct dns_answer *answer;
    int code = lookups_get(e->lookups, name, type, &answer);
    if (code == 0)
        return answer;
    if (code == -E2BIG)
        evaluation_permerror(e, "too many DNS look-ups");
    else
        e->stop = code;
    return NULL;
}

const struct dns_answer *evaluation_ask_for_term(struct evaluation *e, const char *name,
                                                 enum record_type type)
{
    const struct dns_answer *answer = evaluation_ask(e, name, type);
    if (!answer)
        return NULL;
    if (answer->status == DNS_FAILED)
        e->reason = evaluation_text(e->arena, "DNS look-up of %s failed", name);
    if (answer->status == DNS_NONE && ++e->voids > SPF_MAX_VOID) {
        evaluation_permerror(e, "more than 2 DNS look-ups found nothing");
        return NULL;
    }
    return answer;
}

enum record_type evaluation_address_type(const struct evaluation *e)
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

static bool has_client(const struct evaluation *e, const struct dns_answer *addresses)
{
    size_t size = e->macros.ipv6 ? 16 : 4;
    for (size_t i = 0; i < addresses->count; i++)
        if (addresses->records[i].size == size &&
            memcmp(addresses->records[i].data, e->macros.address, size) == 0)
            return true;
    return false;
}

const char *evaluation_client_name(struct evaluation *e, const char *domain, bool any)
{
    char reverse[DNS_NAME_MAX + 1];
    const char *found[3] = {NULL}; /* the domain itself; under it; another */
    dns_reverse_name(e->macros.address, e->macros.ipv6 ? 16 : 4,
                     e->macros.ipv6 ? "ip6.arpa" : "in-addr.arpa", reverse);
    const struct dns_answer *names = evaluation_ask(e, reverse, RECORD_PTR);
    if (!names)
        return NULL;
    int missing = 0;
    for (size_t i = 0; i < names->count && i < SPF_MAX_HOSTS; i++) {
        const char *name = names->records[i].data;
        const struct dns_answer *addresses = evaluation_ask(e, name, evaluation_address_type(e));
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
