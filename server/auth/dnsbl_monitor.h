/*
 * dnsbl_monitor.h - which blocklists answer.
 *
 * A list whose servers do not answer would delay every message until its look-ups time out. So after
 * some failures in a row it is skipped, and probed every few seconds: for the entry that each list
 * must have (127.0.0.2, RFC 5782 section 5), until that is answered. What happens to a
 * list is logged once.
 *
 * All functions: the auth room's thread (auth.c).
 */
#ifndef MXHOOK_AUTH_DNSBL_MONITOR_H
#define MXHOOK_AUTH_DNSBL_MONITOR_H

#include "../dns/dns.h"
#include "result.h"

#define DNSBL_FAILURES 3 /* in a row */

struct dnsbl_monitor;

/* `dns` must outlive it. A silent list is probed every `pause_ms`. NULL: no memory. */
struct dnsbl_monitor *dnsbl_monitor_new(uv_loop_t *loop, struct dns *dns, uint64_t pause_ms);

/* Frees itself when the loop next runs. Takes NULL. */
void dnsbl_monitor_close(struct dnsbl_monitor *monitor);

/* False: ask nothing of this list now. */
bool dnsbl_monitor_answers(struct dnsbl_monitor *monitor, const char *zone);

/* What a look-up came to. Without memory nothing is noted. */
void dnsbl_monitor_note(struct dnsbl_monitor *monitor, const struct dnsbl_result *result);

#endif
