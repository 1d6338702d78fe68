/* policy.h - what is done about a scanner's answer without asking the rules: a line of the log, and a refusal where the
 * configuration asks for one. */
#ifndef MXHOOK_SCAN_POLICY_H
#define MXHOOK_SCAN_POLICY_H

#include "../config/config.h"
#include "../transaction.h"
#include "result.h"

/* True, and `reply` says why: rspamd advises to, and scan.refuse is on; or it did not answer, and scan.on_failure says
 * "defer". */
bool scan_refuses(const struct scan_config *config, const struct scan_result *result,
                  struct reply *reply);

/* A line of the log under the message's id: what the scanner said, or why there is no answer. */
void scan_log(const char *id, const struct scan_result *result);

#endif
