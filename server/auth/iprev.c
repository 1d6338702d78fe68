#include "iprev.h"

#include <errno.h>
#include <string.h>

/* A host's name (RFC 1123 section 2.1), and an underscore, which some have. The name goes to rules,
 * to the log and into headers. */
static bool is_host_name(const char *name)
{
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(name) &&
           strchr(name, '.');
}

static bool has_address(const struct dns_answer *answer, const unsigned char *address, size_t size)
{
    for (size_t i = 0; i < answer->count; i++)
        if (answer->records[i].size == size && memcmp(answer->records[i].data, address, size) == 0)
            return true;
    return false;
}

/* What the names that an address is called by have come to. */
struct forward {
    char confirmed[DNS_NAME_MAX + 1]; /* the first that has the address; "": none */
    bool missing, failed;             /* some answer is not there yet; is none */
};

/* Asks for the addresses of all of them at once. */
static int look_forward(const struct dns_answer *names, const unsigned char *address, size_t size,
                        struct lookups *lookups, struct forward *out)
{
    enum record_type type = size == 4 ? RECORD_A : RECORD_AAAA;
    for (size_t i = 0; i < names->count && i < IPREV_NAMES_MAX; i++) {
        char name[DNS_NAME_MAX + 1];
        const struct dns_answer *answer = NULL;
        if (!dns_name(names->records[i].data, name) || !is_host_name(name))
            continue;
        int code = lookups_get(lookups, name, type, &answer);
        if (code == -ENOMEM)
            return code;
        out->missing = out->missing || code == -EAGAIN;
        out->failed = out->failed || code == -E2BIG || (code == 0 && answer->status == DNS_FAILED);
        if (code == 0 && !*out->confirmed && has_address(answer, address, size))
            strcpy(out->confirmed, name);
    }
    return *out->confirmed ? 0 : out->missing ? -EAGAIN : 0;
}

static struct iprev_result conclude(const struct forward *forward)
{
    if (forward->failed)
        return (struct iprev_result){AUTH_TEMPERROR, NULL, "DNS look-up of the name failed"};
    return (struct iprev_result){AUTH_FAIL, NULL, "the name does not have the address"};
}

int iprev_check(const unsigned char *address, size_t size, struct lookups *lookups,
                struct arena *arena, struct iprev_result *out)
{
    char reverse[DNS_NAME_MAX + 1];
    const struct dns_answer *names;
    struct forward forward = {""};
    dns_reverse_name(address, size, size == 4 ? "in-addr.arpa" : "ip6.arpa", reverse);
    int code = lookups_get(lookups, reverse, RECORD_PTR, &names);
    if (code == 0 && names->status == DNS_RECORDS)
        code = look_forward(names, address, size, lookups, &forward);
    if (code == -EAGAIN || code == -ENOMEM)
        return code;
    if (code == -E2BIG || names->status == DNS_FAILED)
        *out = (struct iprev_result){AUTH_TEMPERROR, NULL, "DNS look-up of the address failed"};
    else if (names->status == DNS_NONE)
        *out = (struct iprev_result){AUTH_PERMERROR, NULL, "the address has no name"};
    else if (!*forward.confirmed)
        *out = conclude(&forward);
    else if ((*out = (struct iprev_result){AUTH_PASS, arena_strdup(arena, forward.confirmed), NULL})
                 .name == NULL)
        return -ENOMEM;
    return 0;
}
