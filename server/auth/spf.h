/*
 * spf.h - SPF (RFC 7208) for one client and sender, evaluated by libspf2.
 */
#ifndef MXHOOK_AUTH_SPF_H
#define MXHOOK_AUTH_SPF_H

#include "lookups.h"
#include "result.h"

#define SPF_MAX_TERMS 10 /* that ask DNS, in all records of a check (RFC 7208 section 4.6.4) */
#define SPF_MAX_VOID  2  /* of their look-ups may find nothing */
#define SPF_MAX_HOSTS 10 /* names of one MX or PTR answer */

struct spf_query {
    const char *client_ip; /* in text */
    const char *helo;
    const char *sender;   /* the reverse-path; "": the HELO identity is checked */
    const char *receiver; /* this host */
};

/* Evaluates with the answers that there are. 0 and *out, with strings in `arena`; -EAGAIN:
 * `lookups` notes what to ask, then call again; -ENOMEM. No I/O, any thread. */
int spf_check(const struct spf_query *query, struct lookups *lookups, struct arena *arena,
              struct spf_result *out);

#endif
