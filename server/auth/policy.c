#include "policy.h"

#include <stdio.h>
#include <string.h>

#include "../base/log.h"

static const struct dnsbl_result *refusing_list(const struct auth_result *result)
{
    for (size_t i = 0; i < result->dnsbl_count; i++)
        if (result->dnsbl[i].listed && result->dnsbl[i].refuse)
            return &result->dnsbl[i];
    return NULL;
}

bool policy_refuses(const struct auth_config *config, const struct envelope *envelope,
                    const struct auth_result *result, struct reply *reply)
{
    if (config->enforce && result->refuse) {
        reply_set(reply, 550, "5.7.1", "Refused by the DMARC policy of %s", result->dmarc.domain);
        return true;
    }
    const struct dnsbl_result *list = envelope->user ? NULL : refusing_list(result);
    if (!list)
        return false;
    reply_set(reply, 550, "5.7.1", "Your address %s is listed by %s%s%s", envelope->client_ip,
              list->zone, list->reason ? ": " : "", list->reason ? list->reason : "");
    return true;
}

/* The zones that list the client, by commas. */
static void write_zones(const struct auth_result *result, char *out, size_t size)
{
    size_t used = 0;
    *out = 0;
    for (size_t i = 0; i < result->dnsbl_count && used < size; i++)
        if (result->dnsbl[i].listed)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "," : "",
                                     result->dnsbl[i].zone);
}

void policy_log(const char *id, const struct auth_config *config, const struct auth_result *result)
{
    struct log_field fields[8];
    size_t count = 0;
    char zones[1024];
    if (config->spf || config->dkim || config->dmarc) {
        fields[count++] = LOG_TEXT("spf", auth_code_name(result->spf.code));
        fields[count++] = LOG_NUMBER("signatures", (int64_t)result->dkim_count);
        fields[count++] = LOG_TEXT("dmarc", auth_code_name(result->dmarc.code));
        fields[count++] = LOG_TEXT("from", result->dmarc.domain);
    }
    if (result->iprev.code != AUTH_NONE) {
        fields[count++] = LOG_TEXT("iprev", auth_code_name(result->iprev.code));
        fields[count++] = LOG_TEXT("client_name", result->iprev.name);
    }
    write_zones(result, zones, sizeof zones);
    if (*zones)
        fields[count++] = LOG_TEXT("dnsbl", zones);
    fields[count] = (struct log_field){0};
    if (count > 0)
        log_write(LOG_INFO, "auth", id, fields);
}
