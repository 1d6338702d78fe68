#include "recipient.h"

#include <string.h>
#include <strings.h>

#include "../base/domain.h"

static bool domain_matches(const char *pattern, const char *domain)
{
    if (strncmp(pattern, "*.", 2) != 0)
        return strcmp(pattern, domain) == 0;
    const char *suffix = pattern + 1;
    size_t length = strlen(domain), suffix_length = strlen(suffix);
    return length > suffix_length && strcmp(domain + length - suffix_length, suffix) == 0;
}

bool recipient_domain_is_ours(const struct smtp_config *config, const char *domain)
{
    char folded[DOMAIN_SIZE];
    if (domain_to_ascii(domain, folded) != NULL)
        return false;
    for (size_t i = 0; i < config->domain_count; i++)
        if (domain_matches(config->domains[i], folded))
            return true;
    return false;
}

bool recipient_may_be_bounce(const struct forward_config *config, const char *address,
                             const char *domain)
{
    char folded[DOMAIN_SIZE];
    address += *address == '"';
    return config->srs && strncasecmp(address, "SRS", 3) == 0 && address[3] &&
           strchr("01", address[3]) && domain_to_ascii(domain, folded) == NULL &&
           strcasecmp(folded, config->srs_domain) == 0;
}

const char *recipient_postmaster_domain(const struct config *config)
{
    for (size_t i = 0; i < config->smtp.domain_count; i++)
        if (config->smtp.domains[i][0] != '*')
            return config->smtp.domains[i];
    return config->hostname;
}

size_t recipient_index(const struct envelope *envelope, const char *address)
{
    size_t local = (size_t)(strrchr(address, '@') - address);
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        const char *known = envelope->recipients[i];
        if (strncmp(known, address, local + 1) == 0 &&
            strcasecmp(known + local + 1, address + local + 1) == 0)
            return i;
    }
    return envelope->recipient_count;
}
