/*
 * policy.h - what is done about a result without asking the rules: a line of the log, and a refusal
 * where the configuration asks for one.
 */
#ifndef MXHOOK_AUTH_POLICY_H
#define MXHOOK_AUTH_POLICY_H

#include "../config/config.h"
#include "../transaction.h"
#include "result.h"

/* True, and `reply` says why, where
 * - auth.enforce is on, and the message fails DMARC where its domain asks to reject that (RFC 7489
 *   section 6.3);
 * - a list of auth.dnsbl that says `refuse` has the client. Who logged in is not refused for that:
 *   people send from networks that such lists are made of. */
bool policy_refuses(const struct auth_config *config, const struct envelope *envelope,
                    const struct auth_result *result, struct reply *reply);

/* Nothing where nothing was checked. */
void policy_log(const char *id, const struct auth_config *config, const struct auth_result *result);

#endif
