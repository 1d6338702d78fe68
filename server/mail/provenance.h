/*
 * provenance.h - the fields that the server adds: who had the message, and what was checked.
 */
#ifndef MXHOOK_MAIL_PROVENANCE_H
#define MXHOOK_MAIL_PROVENANCE_H

#include "../transaction.h"
#include "message.h"

/* Does this value of an Authentication-Results name `hostname` as who added it (RFC 8601 section
 * 2.2)? */
bool provenance_claims(const char *value, size_t size, const char *hostname);

/* Appends X-Forwarding-Service, Received-SPF, Delivered-To and Authentication-Results. New strings
 * are in `arena`. 0 or -ENOMEM. */
int provenance_fields(const struct envelope *envelope, const char *recipient, const char *hostname,
                      struct arena *arena, struct header_list *out);

#endif
