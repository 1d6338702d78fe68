/*
 * destination.h - where a delivery goes, and how: what a rule may say of it.
 *
 * A URL gets the message as JSON, by POST; an e-mail address gets the message itself, by SMTP.
 *
 * What reads, copies, stores and writes it goes by the table of its fields: to add one, start at destination_fields.h.
 */
#ifndef MXHOOK_DESTINATION_H
#define MXHOOK_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/arena.h"

struct destination {
    const char *url;    /* or "local-part@domain": destination_is_mail() */
    const char *secret; /* of Standard Webhooks; NULL: not signed. Never logged. */
    /* "Name: value", or "Name=" and a reference (deliver/reference.h) to the value. Checked: valid
     * names, no control characters. Values are never logged. */
    const char **headers;
    size_t header_count;
    int64_t timeout_ms;         /* of an attempt; 0: the configuration's */
    unsigned attempts;          /* the first included; 0: the configuration's */
    const int64_t *schedule_ms; /* pauses before the second, third, ... attempt; the last repeats */
    size_t schedule_count;      /* 0: the configuration's */
    double rate;          /* requests a second, of all to this URL without its query; 0: no limit */
    size_t max_in_flight; /* the same, at once; 0: the configuration's */
    uint64_t max_body;    /* bytes of a payload: a larger one fails; 0: the configuration's */
    const char *ca_file;  /* PEM, to trust instead of the configuration's; NULL */
    /* PEM, for TLS that asks for one, key included or in client_key; NULL */
    const char *client_cert;
    const char *client_key; /* PEM; NULL */
};

/* What destinations have in common: `to` without a URL. "crm:https://..." names it. */
struct profile {
    const char *name;
    struct destination to;
};

/* Is its URL an e-mail address? */
bool destination_is_mail(const struct destination *destination);

/* `to` becomes a copy whose texts and lists stand in the arena. 0, or -ENOMEM: then `to` is of no use. */
int destination_copy(struct arena *arena, const struct destination *from, struct destination *to);

/* `to` takes what it does not say itself from a profile: a copy, in the arena. 0 or -ENOMEM. */
int destination_inherit(struct arena *arena, struct destination *to,
                        const struct destination *profile);

/* Of "NAME:https://...": the profile of that name, and *rest behind the colon. NULL: it names none of these. */
const struct profile *profile_named(const struct profile *profiles, size_t count, const char *text,
                                    const char **rest);

#endif
