#include "access.h"

#include <stdio.h>

static const struct refusal denied = {554, "5.7.1", "takes no mail from your address"};

static const struct refusal over_limit[] = {
    [LIMITS_ADDRESS] = {421, "4.7.0", "too many connections from your address, try again later"},
    [LIMITS_NETWORK] = {421, "4.7.0", "too many connections from your network, try again later"},
    [LIMITS_SITE] = {421, "4.7.0", "too many connections from your site, try again later"},
    [LIMITS_NO_MEMORY] = {421, "4.3.2", "no resources, try again later"},
};

/* The list with the longer prefix decides; without any, whether there is a list of who may. */
static bool is_allowed(const struct access_config *access, const struct ip_address *address)
{
    int allow = networks_match(access->allow, access->allow_count, address);
    int deny = networks_match(access->deny, access->deny_count, address);
    return allow < 0 && deny < 0 ? access->allow_count == 0 : allow > deny;
}

size_t refusal_format(const struct refusal *refusal, const char *hostname, char reply[REFUSAL_SIZE])
{
    return (size_t)snprintf(reply, REFUSAL_SIZE, "%d %s %.255s %s\r\n", refusal->code,
                            refusal->enhanced, hostname, refusal->text);
}

const struct refusal *access_enter(const struct access_config *access, struct limits *limits,
                                   const struct ip_address *address, int64_t now_ms, bool *counted)
{
    *counted = false;
    if (networks_match(access->xclient, access->xclient_count, address) >= 0)
        return NULL;
    if (!is_allowed(access, address))
        return &denied;
    if (networks_match(access->unlimited, access->unlimited_count, address) >= 0)
        return NULL;
    enum limits_answer answer = limits_enter(limits, access, address, now_ms);
    if (answer != LIMITS_FINE)
        return &over_limit[answer];
    *counted = true;
    return NULL;
}

const struct refusal *access_enter_unknown(const struct access_config *access)
{
    return access->allow_count > 0 ? &denied : NULL;
}
