/* recipient.h - is mail for this recipient ours to take? */
#ifndef MXHOOK_SMTP_RECIPIENT_H
#define MXHOOK_SMTP_RECIPIENT_H

#include <stdbool.h>

#include "../config/config.h"
#include "../transaction.h"

/* Is the domain one of the configured ones? In any case, and of an internationalized one in either
 * form; "*.example.com" stands for every subdomain, not for example.com. */
bool recipient_domain_is_ours(const struct smtp_config *config, const char *domain);

/* May it be a rewritten sender (SRS) of ours, to which bounces come? Then it is asked for, whether
 * its domain is a configured one or not. */
bool recipient_may_be_bounce(const struct forward_config *config, const char *address,
                             const char *domain);

/* The domain of "<postmaster>" (RFC 5321 section 4.5.1): the first configured one that is not a
 * wildcard, or the host's own name. */
const char *recipient_postmaster_domain(const struct config *config);

/* Which of the transaction's recipients it is already; their count: none. Only domains are compared
 * in any case. */
size_t recipient_index(const struct envelope *envelope, const char *address);

#endif
