/*
 * dmarc.h - DMARC (RFC 7489): does who signed, or was allowed to send, belong to the From?
 *
 * The organizational domain comes from the public suffix list by libpsl; record, alignment and
 * policy from libopendmarc. libopendmarc takes a domain's parent for aligned whatever it is, so it
 * is told only of those that have From's organizational domain.
 */
#ifndef MXHOOK_AUTH_DMARC_H
#define MXHOOK_AUTH_DMARC_H

#include "author.h"
#include "lookups.h"
#include "result.h"

struct dmarc;

/* Reads the public suffix list. libopendmarc keeps it for the whole process: one at a time. NULL:
 * no memory, or no list. */
struct dmarc *dmarc_open(void);
void dmarc_close(struct dmarc *dmarc); /* takes NULL */

/* Notes the records in `lookups`. 0 where all are there, -EAGAIN, or -ENOMEM. */
int dmarc_ask(const struct dmarc *dmarc, const struct author *author, struct lookups *lookups);

/* What the others said, and whether they were asked. */
struct dmarc_input {
    const struct author *author;
    const struct spf_result *spf;
    const struct dkim_result *dkim;
    size_t dkim_count;
    bool spf_on, dkim_on;
    unsigned percent; /* 0 to 99, at random: which part of the mail this belongs to (pct) */
};

/* Of several domains the one counts that fails by the strictest policy, else the one that is
 * furthest from a pass. A From with a flaw is a permerror with the strictest policy of all. 0 or
 * -ENOMEM. *refuse: a domain asks to reject this one, and it failed, or From has a flaw; or there are
 * more domains than are looked at. Several threads at once. */
int dmarc_check(const struct dmarc *dmarc, const struct dmarc_input *input,
                const struct lookups *lookups, struct dmarc_result *out, bool *refuse);

#endif
